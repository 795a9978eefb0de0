'use strict'

const test = require('node:test')
const assert = require('node:assert')
const fs = require('node:fs')
const path = require('node:path')
const zlib = require('node:zlib')
const { threadId } = require('node:worker_threads')
const { writeHeapSnapshot } = require('../../..')
const { snapshotName } = require('../../../lib/heap/snapshot-file/names.js')
const { emptyFolder } = require('../../helpers/folder.js')

class Zanzibar1234567 {
  constructor (number) {
    this.number = number
  }
}
globalThis.kept = Array.from({ length: 321 }, (_, index) => new Zanzibar1234567(index))

/** How many objects of a class a snapshot holds, counted independently of anything of ours. */
function countInstances ({ snapshot, nodes, strings }, name) {
  const fields = snapshot.meta.node_fields
  const types = snapshot.meta.node_types[0]
  let count = 0
  for (let at = 0; at < nodes.length; at += fields.length) {
    if (types[nodes[at + fields.indexOf('type')]] === 'object' && strings[nodes[at + fields.indexOf('name')]] === name) count++
  }
  return count
}

test('a snapshot is complete, holds every object of a class of ours, and lies where the result says', async (t) => {
  const directory = path.join(emptyFolder(t), 'made', 'when missing')
  const result = await writeHeapSnapshot({ directory, mode: 'in-process', reason: 'unit test' })

  const name = path.basename(result.file)
  assert.match(name, /^heap-\d{8}T\d{6}\.\d{3}Z-pid\d+-thread\d+-unit-test\.heapsnapshot$/)
  assert.ok(name.includes(`-pid${process.pid}-thread${threadId}-`))
  assert.deepStrictEqual(fs.readdirSync(directory), [name])

  const heap = JSON.parse(fs.readFileSync(result.file, 'utf8'))
  assert.strictEqual(heap.nodes.length, heap.snapshot.node_count * heap.snapshot.meta.node_fields.length)
  assert.strictEqual(heap.edges.length, heap.snapshot.edge_count * heap.snapshot.meta.edge_fields.length)
  assert.strictEqual(countInstances(heap, 'Zanzibar1234567'), 321)

  const { file, byteLength, pauseMs, durationMs, ...rest } = result
  assert.strictEqual(byteLength, fs.statSync(file).size)
  assert.ok(pauseMs > 0 && pauseMs <= durationMs, `${pauseMs} of ${durationMs}`)
  assert.deepStrictEqual(rest, {
    mode: 'in-process', attempts: 1, childPeakRssBytes: null, scratch: null, comparableIds: true, gzip: false, reason: 'unit test', reportFile: null, reportTextFile: null, reportError: null, removed: []
  })
})

test('with gzip the file holds the same kind of snapshot, compressed, and nothing else is left', async (t) => {
  const directory = emptyFolder(t)
  const result = await writeHeapSnapshot({ directory, gzip: true })

  assert.deepStrictEqual(fs.readdirSync(directory), [path.basename(result.file)])
  assert.match(result.file, /-manual\.heapsnapshot\.gz$/)
  const text = zlib.gunzipSync(fs.readFileSync(result.file))
  assert.strictEqual(fs.statSync(result.file).size, result.byteLength)
  assert.strictEqual(result.gzip, true)
  assert.strictEqual(countInstances(JSON.parse(text.toString()), 'Zanzibar1234567'), 321)
})

test('files are 0600 and new directories 0700, with any umask', async (t) => {
  const folder = emptyFolder(t)
  const before = process.umask()
  t.after(() => process.umask(before))
  for (const umask of [0o000, 0o022, 0o077]) {
    process.umask(umask)
    const directory = path.join(folder, `umask-${umask}`, 'below')
    const { file } = await writeHeapSnapshot({ directory })
    assert.strictEqual(fs.statSync(file).mode & 0o777, 0o600)
    assert.strictEqual(fs.statSync(directory).mode & 0o777, 0o700)
    assert.strictEqual(fs.statSync(path.dirname(directory)).mode & 0o777, 0o700)
  }
})

test('the file is 0600 while it is still being written', async (t) => {
  const { requestSnapshot } = require('../../../lib/heap/snapshot-file/write.js')
  const { snapshotSettings } = require('../../../lib/heap/snapshot-file/settings.js')
  const directory = emptyFolder(t)
  const before = process.umask(0)
  t.after(() => process.umask(before))
  const seen = []
  await requestSnapshot(snapshotSettings('options', { directory, mode: 'in-process', gzip: true }), {
    onProgress: ({ phase }) => {
      for (const name of fs.readdirSync(directory)) seen.push([phase, path.extname(name), fs.statSync(path.join(directory, name)).mode & 0o777])
    }
  })
  // One file only: the text that is compressed has no name.
  assert.deepStrictEqual(seen, ['generate', 'serialize', 'compress', 'finish'].map((phase) => [phase, '.partial', 0o600]))
})

test('an explicit file is written under its name, and an existing one replaced as a whole', async (t) => {
  const file = path.join(emptyFolder(t), 'sub', 'mine.heapsnapshot')
  fs.mkdirSync(path.dirname(file))
  fs.writeFileSync(file, 'old', { mode: 0o644 })
  const old = fs.openSync(file, 'r')
  t.after(() => fs.closeSync(old))

  const result = await writeHeapSnapshot({ file })

  assert.strictEqual(result.file, file)
  assert.deepStrictEqual(fs.readdirSync(path.dirname(file)), ['mine.heapsnapshot'])
  assert.strictEqual(fs.statSync(file).mode & 0o777, 0o600)
  assert.doesNotThrow(() => JSON.parse(fs.readFileSync(file, 'utf8')))
  // Who had the old file open still reads the old one: it was replaced, not written into.
  assert.strictEqual(fs.readFileSync(old, 'utf8'), 'old')
})

test('without a directory it goes to .offheap in the working directory', async (t) => {
  const before = process.cwd()
  const directory = emptyFolder(t)
  process.chdir(directory)
  t.after(() => process.chdir(before))

  const result = await writeHeapSnapshot()

  assert.strictEqual(path.dirname(result.file), path.join(directory, '.offheap'))
})

test('a reason cannot leave the directory or break the name', async (t) => {
  const directory = emptyFolder(t)
  const cases = [['../../etc/x', 'etc-x'], ['a b\nc', 'a-b-c'], ['…', 'unnamed'], ['x'.repeat(200), 'x'.repeat(40)]]
  for (const [reason, expected] of cases) {
    const name = snapshotName({ reason, gzip: false })
    assert.ok(name.endsWith(`-thread${threadId}-${expected}.heapsnapshot`), name)
  }
  const [[reason, expected]] = cases
  const result = await writeHeapSnapshot({ directory, reason })
  assert.strictEqual(path.dirname(result.file), directory)
  assert.ok(result.file.endsWith(`-thread${threadId}-${expected}.heapsnapshot`), result.file)
  assert.strictEqual(result.reason, reason)
})
