'use strict'

const test = require('node:test')
const assert = require('node:assert')
const fs = require('node:fs')
const { Worker } = require('node:worker_threads')
const path = require('node:path')
const { writeHeapSnapshot } = require('../../..')
const { requestSnapshot } = require('../../../lib/heap/snapshot-file/write.js')
const { snapshotSettings } = require('../../../lib/heap/snapshot-file/settings.js')
const { emptyFolder } = require('../../helpers/folder.js')
const { runScript } = require('../../helpers/child.js')

// A snapshot whose writer never finishes: it stands in the middle for as long as a test wants.
const STUCK = `
  const { requestSnapshot } = require(root + '/lib/heap/snapshot-file/write.js')
  const { snapshotSettings } = require(root + '/lib/heap/snapshot-file/settings.js')
  const stuck = (directory, then) => requestSnapshot(snapshotSettings('options', { directory }), {
    write: ({ temporaryPath }) => { require('node:fs').writeFileSync(temporaryPath, 'half'); then(); return new Promise(() => { setInterval(() => {}, 1000) }) }
  })
`
const root = path.join(__dirname, '..', '..', '..')

test('a worker that is terminated while it writes leaves nothing', async (t) => {
  const directory = emptyFolder(t)
  const worker = new Worker(`
    const root = ${JSON.stringify(root)}
    ${STUCK}
    const { parentPort, workerData } = require('node:worker_threads')
    stuck(workerData, () => parentPort.postMessage('writing'))
  `, { eval: true, workerData: directory })
  await new Promise((resolve, reject) => worker.once('message', resolve).once('error', reject))
  assert.match(fs.readdirSync(directory).join(), /^heap-[^,]+-thread1-manual\.heapsnapshot\.pid\d+-[0-9a-f]{8}-1\.partial$/)

  await worker.terminate()

  assert.deepStrictEqual(fs.readdirSync(directory), [])
})

test('process.exit while writing leaves nothing, and ends with its own code', async (t) => {
  const directory = emptyFolder(t)
  const seen = []
  const run = await runScript(`${STUCK}
    stuck(process.argv[1], async () => { await send('writing'); process.exit(7) })
  `, { args: [directory], onMessage: () => seen.push(...fs.readdirSync(directory)) })
  assert.deepStrictEqual([run.code, run.signal], [7, null], run.stderr)
  assert.strictEqual(run.messages.length, 1)
  assert.deepStrictEqual(fs.readdirSync(directory), [])
})

test('a process that is killed while writing leaves a temporary file, which the next snapshot removes', async (t) => {
  const directory = emptyFolder(t)
  const run = await runScript(`${STUCK}
    stuck(process.argv[1], () => send('writing'))
  `, { args: [directory], onMessage: (message, child) => child.kill('SIGKILL') })
  assert.strictEqual(run.signal, 'SIGKILL')
  const left = fs.readdirSync(directory)
  assert.strictEqual(left.length, 1)
  const anHourAgo = new Date(Date.now() - 3_600_000)
  fs.utimesSync(path.join(directory, left[0]), anHourAgo, anHourAgo)

  const result = await writeHeapSnapshot({ directory })

  assert.deepStrictEqual(fs.readdirSync(directory), [path.basename(result.file)])
})

test('threads write at the same time, each its own', async (t) => {
  const directory = emptyFolder(t)
  const inWorker = new Worker(`
    const { parentPort, workerData, threadId } = require('node:worker_threads')
    const { writeHeapSnapshot } = require(${JSON.stringify(root)})
    class OnlyInTheWorker {}
    globalThis.kept = new OnlyInTheWorker()
    writeHeapSnapshot({ directory: workerData }).then((result) => parentPort.postMessage({ ...result, threadId }))
  `, { eval: true, workerData: directory })
  const [here, there] = await Promise.all([
    writeHeapSnapshot({ directory }),
    new Promise((resolve, reject) => inWorker.once('message', resolve).once('error', reject))
  ])
  await inWorker.terminate()
  assert.match(here.file, /-thread0-/)
  assert.ok(there.file.includes(`-thread${there.threadId}-`))
  assert.ok(JSON.parse(fs.readFileSync(there.file, 'utf8')).strings.includes('OnlyInTheWorker'))
})

test('a process ends by itself once its snapshot is written', async (t) => {
  const run = await runScript('offheap.writeHeapSnapshot({ directory: process.argv[1], gzip: true }).then(({ file }) => send(file))', { args: [emptyFolder(t)] })
  assert.deepStrictEqual([run.code, run.messages.length], [0, 1], run.stderr)
  assert.ok(run.messages[0].endsWith('.gz'))
})

test('no handler stays behind, whether it is written or fails', async (t) => {
  const before = process.listenerCount('exit')
  await writeHeapSnapshot({ directory: emptyFolder(t) })
  await assert.rejects(writeHeapSnapshot({ directory: emptyFolder(t), minFreeDiskBytes: Number.MAX_SAFE_INTEGER }))
  await assert.rejects(requestSnapshot(snapshotSettings('options', { directory: emptyFolder(t) }), { write: async () => { throw new Error('no') } }))
  assert.strictEqual(process.listenerCount('exit'), before)
})
