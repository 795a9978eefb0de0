'use strict'

const test = require('node:test')
const assert = require('node:assert')
const fs = require('node:fs')
const path = require('node:path')
const { OffheapError, support, start, writeHeapSnapshot } = require('../../..')
const { emptyFolder } = require('../../helpers/folder.js')

class PlantedForTheReport {}
const planted = Array.from({ length: 1_234 }, () => new PlantedForTheReport())

const noProbe = !support().probe.available && support().probe.reason

for (const [mode, skip] of [['probe', noProbe], ['in-process', false]]) {
  test(`a report stands beside a snapshot in mode ${mode}, and says what the heap holds`, { skip }, async (t) => {
    const directory = emptyFolder(t)
    const { file, byteLength, reportFile, reportTextFile, reportError } = await writeHeapSnapshot({ directory, mode, report: true, reason: 'report' })

    assert.strictEqual(reportError, null)
    assert.strictEqual(byteLength, fs.statSync(file).size)
    assert.deepStrictEqual(fs.readdirSync(directory).sort(), [file, reportFile, reportTextFile].map((name) => path.basename(name)).sort())
    assert.strictEqual(reportFile, file.replace('.heapsnapshot', '.report.json'))
    for (const name of [reportFile, reportTextFile]) assert.strictEqual(fs.statSync(name).mode & 0o777, 0o600)

    const analysis = JSON.parse(fs.readFileSync(reportFile, 'utf8'))
    assert.strictEqual(analysis.file, file)
    const { snapshot } = JSON.parse(fs.readFileSync(file, 'utf8'))
    assert.strictEqual(analysis.nodeCount, snapshot.node_count)
    assert.match(fs.readFileSync(reportTextFile, 'utf8'), /Classes by retained size/)
    assert.strictEqual(planted.length, 1_234)
  })
}

test('with report: only, the report stays and the snapshot is deleted', { skip: noProbe }, async (t) => {
  const directory = emptyFolder(t)
  const result = await writeHeapSnapshot({ directory, gzip: true, report: 'only' })

  assert.strictEqual(result.reportError, null)
  assert.strictEqual(result.file, result.reportFile)
  assert.strictEqual(result.byteLength, fs.statSync(result.reportFile).size)
  assert.deepStrictEqual(fs.readdirSync(directory).sort(), [path.basename(result.reportFile), path.basename(result.reportTextFile)].sort())
})

test('without a report its fields are null', async (t) => {
  const { reportFile, reportTextFile, reportError } = await writeHeapSnapshot({ directory: emptyFolder(t), mode: 'in-process' })

  assert.deepStrictEqual({ reportFile, reportTextFile, reportError }, { reportFile: null, reportTextFile: null, reportError: null })
})

test('retention deletes a snapshot with its reports, and counts them as one', async (t) => {
  const directory = emptyFolder(t)
  const old = ['heapsnapshot', 'report.json', 'report.txt'].map((ending) => `heap-20250101T000000.000Z-pid1-thread0-rss.${ending}`)
  const newer = ['report.json', 'report.txt'].map((ending) => `heap-20250102T000000.000Z-pid1-thread0-rss.${ending}`)
  for (const name of [...old, ...newer]) fs.writeFileSync(path.join(directory, name), 'x')

  const { file, removed } = await writeHeapSnapshot({ directory, mode: 'in-process', maxFiles: 2 })

  assert.deepStrictEqual(removed, old.map((name) => path.join(directory, name)))
  assert.deepStrictEqual(fs.readdirSync(directory).sort(), [...newer, path.basename(file)].sort())
})

test('a report that cannot be written leaves the snapshot and says why', async (t) => {
  const directory = emptyFolder(t)
  const file = path.join(directory, 'mine.heapsnapshot')
  fs.mkdirSync(path.join(directory, 'mine.report.json'))

  const result = await writeHeapSnapshot({ file, mode: 'in-process', report: 'only' })

  assert.ok(result.reportError instanceof OffheapError)
  assert.strictEqual(result.reportError.code, 'ERR_OFFHEAP_SNAPSHOT_WRITE_FAILED')
  assert.strictEqual(result.reportFile, null)
  assert.strictEqual(result.file, file)
  assert.deepStrictEqual(fs.readdirSync(directory).sort(), ['mine.heapsnapshot', 'mine.report.json'])
})

test('a trigger writes a report too', { skip: noProbe }, async (t) => {
  const directory = emptyFolder(t)
  const monitor = start({ sampleIntervalMs: 20, thresholds: { heapUsed: 1 }, snapshot: { directory, report: true } })
  // The Monitor keeps no process alive.
  const alive = setInterval(() => {}, 1_000)
  t.after(() => {
    clearInterval(alive)
    monitor.stop()
  })
  const written = await new Promise((resolve, reject) => {
    monitor.once('snapshotWritten', resolve)
    monitor.once('error', reject)
  })

  assert.strictEqual(written.reportError, null)
  assert.ok(fs.existsSync(written.reportTextFile))
})

test('report takes true, false or "only"', async () => {
  for (const report of [null, 1, 'yes', {}]) {
    await assert.rejects(writeHeapSnapshot({ report }), { code: 'ERR_INVALID_ARG_VALUE' })
    assert.throws(() => start({ snapshot: { report } }), { code: 'ERR_INVALID_ARG_VALUE' })
  }
})

test('progress reports the phases, and the bytes that the child has written', { skip: noProbe }, async (t) => {
  const seen = []
  const { byteLength } = await writeHeapSnapshot({ directory: emptyFolder(t), mode: 'probe', onProgress: (progress) => seen.push(progress) })

  const phases = [...new Set(seen.map(({ phase }) => phase))]
  assert.deepStrictEqual(phases.filter((phase) => phase !== 'serialize'), ['prepare', 'generate', 'finish'])
  const written = seen.filter(({ phase }) => phase === 'serialize').map((progress) => progress.byteLength)
  assert.ok(written.every((bytes, index) => bytes <= byteLength && (index === 0 || bytes >= written[index - 1])), written.join())
})

test('a progress listener that throws is not called again, and the snapshot goes on', async (t) => {
  const warned = new Promise((resolve) => process.once('warning', resolve))
  let calls = 0
  const { file } = await writeHeapSnapshot({ directory: emptyFolder(t), mode: 'in-process', onProgress: () => { calls++; throw new Error('a broken bar') } })

  assert.ok(fs.existsSync(file))
  assert.strictEqual(calls, 1)
  assert.match((await warned).message, /a broken bar/)
})

test('a Monitor reports progress too, and onProgress must be a function', { skip: noProbe }, async (t) => {
  for (const onProgress of [null, 'x', {}]) await assert.rejects(writeHeapSnapshot({ onProgress }), { code: 'ERR_INVALID_ARG_TYPE' })
  const monitor = start({ sampleIntervalMs: 20, thresholds: { heapUsed: 1 }, snapshot: { directory: emptyFolder(t) } })
  const alive = setInterval(() => {}, 1_000)
  t.after(() => {
    clearInterval(alive)
    monitor.stop()
  })
  const phases = []
  monitor.on('snapshotProgress', ({ phase }) => phases.push(phase))
  await new Promise((resolve, reject) => {
    monitor.once('snapshotWritten', resolve)
    monitor.once('error', reject)
  })
  assert.ok(phases.includes('generate') && phases.includes('finish'), phases.join())
})
