'use strict'

const test = require('node:test')
const assert = require('node:assert')
const fs = require('node:fs')
const os = require('node:os')
const path = require('node:path')
const { once } = require('node:events')
const { Worker } = require('node:worker_threads')
const { allocExternal, externalAllocations, memory, track, untrack } = require('../..')
const binding = require('../../lib/base/load.js')
const { collect, settledWhen } = require('../helpers/settle.js')
const { runChildForJson } = require('../helpers/child.js')

const root = path.join(__dirname, '..', '..')

/** A worker that runs `body` with offheap at hand, says so, and stays until it is ended. */
async function worker (body) {
  const thread = new Worker(`
    const { parentPort } = require('node:worker_threads')
    const offheap = require(${JSON.stringify(root)})
    const held = []
    ${body}
    parentPort.on('message', () => parentPort.postMessage(offheap.externalAllocations()))
    parentPort.postMessage('ready')
  `, { eval: true })
  await once(thread, 'message')
  return thread
}

test('each thread has tallies of its own, and the process has their sum', async () => {
  const here = track(Buffer.alloc(1_001), { label: 'threads' })
  const a = await worker("held.push(offheap.track(Buffer.alloc(20_002), { label: 'threads' }))")
  const b = await worker("held.push(offheap.allocExternal(300_003, { label: 'threads' }))")

  assert.strictEqual(externalAllocations().labels.threads.liveBytes, here.length)
  a.postMessage('read')
  assert.strictEqual((await once(a, 'message'))[0].labels.threads.liveBytes, 20_002)
  const whole = externalAllocations({ scope: 'process' }).labels.threads
  assert.deepStrictEqual([whole.liveBytes, whole.liveCount], [321_006, 3])

  // WHEN the workers are terminated with all of it live
  await Promise.all([a.terminate(), b.terminate()])

  // THEN their live counts are gone and their totals stay
  const after = externalAllocations({ scope: 'process' }).labels.threads
  assert.deepStrictEqual([after.liveBytes, after.liveCount, after.totalBytes, after.totalCount, after.peakBytes], [1_001, 1, 321_006, 3, 321_006])
})

test('a worker that ends leaves nothing behind, however it ends', async () => {
  const before = binding.environmentCount()
  const bodies = [
    "held.push(offheap.track(Buffer.alloc(1000), { label: 'ended' }), offheap.track({}, { label: 'ended', byteLength: 5 }))",
    "held.push(offheap.allocExternal(100_000, { label: 'ended' }), offheap.allocExternal(0, { label: 'ended' }))",
    "for (let i = 0; i < 10_000; i++) offheap.track(Buffer.alloc(100), { label: 'ended' })"
  ]
  for (let round = 0; round < 5; round++) {
    const workers = await Promise.all(bodies.map(worker))
    await Promise.all(workers.map((thread) => thread.terminate()))
  }
  const { liveBytes, liveCount, totalCount } = externalAllocations({ scope: 'process' }).labels.ended
  assert.deepStrictEqual({ liveBytes, liveCount, totalCount }, { liveBytes: 0, liveCount: 0, totalCount: 5 * (2 + 2 + 10_000) })
  assert.strictEqual(binding.environmentCount(), before)
})

test('a worker that is terminated in the middle of tracking does no harm', async () => {
  // Node 20 forgets an isolate before it disposes of it: a background compilation that allocates in between aborts the
  // process (`NodePlatform::ForIsolate`, https://github.com/v8/node/pull/208). So nothing is compiled in the background here.
  const left = await runChildForJson(`
    const { once } = require('node:events')
    const { Worker } = require('node:worker_threads')
    const { externalAllocations } = require(${JSON.stringify(root)})
    const binding = require(${JSON.stringify(path.join(root, 'lib', 'base', 'load.js'))})
    const before = binding.environmentCount()
    ;(async () => {
      for (let round = 0; round < 10; round++) {
        const thread = new Worker(\`
          const offheap = require(${JSON.stringify(root)})
          require('node:worker_threads').parentPort.postMessage('started')
          const loop = () => {
            for (let i = 0; i < 1000; i++) { offheap.track(Buffer.alloc(200), { label: 'cut off' }); offheap.allocExternal(3000, { label: 'cut off' }) }
            setImmediate(loop)
          }
          loop()
        \`, { eval: true })
        await once(thread, 'message')
        await new Promise((resolve) => setTimeout(resolve, round * 3))
        await thread.terminate()
      }
      const { liveBytes, totalCount } = externalAllocations({ scope: 'process' }).labels['cut off']
      console.log(JSON.stringify({ liveBytes, tracked: totalCount > 0, environments: binding.environmentCount() - before }))
    })()
  `, { execArgv: ['--no-concurrent-recompilation'] })

  assert.deepStrictEqual(left, { liveBytes: 0, tracked: true, environments: 0 })
})

test('the memory of a terminated worker\'s external allocations is freed', async () => {
  const size = 40 * 2 ** 20
  const rss = []
  for (let round = 0; round < 6; round++) {
    const thread = await worker(`held.push(offheap.allocExternal(${size}, { label: 'freed' }).fill(1))`)
    assert.strictEqual(externalAllocations({ scope: 'process' }).labels.freed.liveBytes, size)
    await thread.terminate()
    rss.push(memory().rss)
  }
  assert.ok(rss[5] - rss[1] < size, `${rss.map((bytes) => Math.round(bytes / 2 ** 20))} MiB`)
})

test('a second copy in one thread has the same tallies and the same values', async () => {
  const buffer = track(Buffer.alloc(2_222), { label: 'twice' })
  const object = track({}, { label: 'twice', byteLength: 1 })
  const bindingFile = Object.keys(require.cache).find((file) => file.endsWith('offheap.node'))
  const cached = Object.entries(require.cache).filter(([file]) => file.startsWith(path.join(root, 'lib')) || file === bindingFile || file === path.join(root, 'index.js'))
  for (const [file] of cached) delete require.cache[file]
  const second = require('../..')
  try {
    assert.notStrictEqual(second.track, track)
    second.track(buffer, { label: 'second copy' })
    second.track(object, { label: 'second copy', byteLength: 1 })

    assert.deepStrictEqual(externalAllocations(), second.externalAllocations())
    assert.strictEqual(externalAllocations().labels['second copy'].liveCount, 2)
    assert.strictEqual(externalAllocations().labels.twice.liveCount, 0)
    assert.strictEqual(second.untrack(buffer), true)
    assert.strictEqual(untrack(object), true)
    assert.strictEqual(untrack(buffer), false)
  } finally {
    for (const [file, module] of cached) require.cache[file] = module
  }
})

test('two copies of the package in one process count apart and do not disturb each other', async () => {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'offheap-copy-'))
  try {
    for (const part of ['index.js', 'lib', 'prebuilds', 'package.json']) fs.cpSync(path.join(root, part), path.join(directory, part), { recursive: true })
    const reading = await runChildForJson(`
      const first = require(${JSON.stringify(root)})
      const second = require(${JSON.stringify(directory)})
      const buffer = Buffer.alloc(1234)
      first.track(buffer, { label: 'a' })
      second.track(buffer, { label: 'b' })
      second.allocExternal(5000, { label: 'b' })
      console.log(JSON.stringify([first.externalAllocations().labels, second.externalAllocations().labels]))
    `)
    assert.strictEqual(reading[0].a.liveBytes, 1_234)
    assert.strictEqual(reading[0].b, undefined)
    assert.strictEqual(reading[1].b.liveBytes, 6_234)
  } finally {
    fs.rmSync(directory, { recursive: true })
  }
})

test('process.exit with values live, and an exit inside a finalizer\'s turn, end cleanly', async () => {
  const printed = await runChildForJson(`
    const { allocExternal, track } = require(${JSON.stringify(root)})
    const held = [allocExternal(1e6), track({}, { byteLength: 5 })]
    for (let i = 0; i < 1e5; i++) track(Buffer.alloc(100))
    gc()
    setImmediate(() => { console.log(held.length); process.exit(0) })
  `, { execArgv: ['--expose-gc'] })

  assert.strictEqual(printed, 2)
})

test('tracking does not keep the process alive', async () => {
  const printed = await runChildForJson(`
    const { allocExternal, track } = require(${JSON.stringify(root)})
    track(Buffer.alloc(100)); allocExternal(100)
    console.log(1)
  `, { timeoutMs: 20_000 })

  assert.strictEqual(printed, 1)
})

test('the release of values that grew old is counted after a major collection', async () => {
  // GIVEN values that have survived several collections
  let values = Array.from({ length: 20_000 }, () => track(Buffer.alloc(100), { label: 'old' }))
  for (let i = 0; i < 4; i++) await collect()
  assert.strictEqual(externalAllocations().labels.old.liveCount, values.length)

  // WHEN they die
  values = undefined

  // THEN the next collections show it
  await settledWhen('old values are released', () => externalAllocations().labels.old.liveCount === 0)
  assert.ok(allocExternal(1))
})
