'use strict'

const test = require('node:test')
const assert = require('node:assert')
const { Worker } = require('node:worker_threads')
const path = require('node:path')
const { memory } = require('../../..')
const { collect, collectThoroughly, settledWhen } = require('../../helpers/settle.js')
const { runChildForJson } = require('../../helpers/child.js')

const root = path.join(__dirname, '..', '..', '..')

// What a reader can find out about the pool without offheap.
const slabOf = (slice) => slice.buffer

test('the current slab is the one that Node cuts its next slice from', () => {
  const { currentSlab } = memory().bufferPool
  const slice = Buffer.allocUnsafe(1)

  assert.strictEqual(currentSlab.byteLength, slabOf(slice).byteLength)
  assert.strictEqual(currentSlab.usedBytes, slice.byteOffset)
  assert.strictEqual(currentSlab.usedBytes + currentSlab.freeBytes, currentSlab.byteLength)
})

test('without trackBuffers() coverage is partial, with a reason, and Buffer is untouched', async () => {
  const result = await runChildForJson(`
    const before = Object.getOwnPropertyDescriptors(Buffer)
    const { memory } = require(${JSON.stringify(root)})
    const { coverage, coverageReason, fullCoverageAt, createdCount, liveCount } = memory().bufferPool
    const after = Object.getOwnPropertyDescriptors(Buffer)
    const same = Object.keys(before).every((name) => before[name].value === after[name].value) && Reflect.ownKeys(before).length === Reflect.ownKeys(after).length
    console.log(JSON.stringify({ coverage, coverageReason, fullCoverageAt, createdCount, liveCount, same }))
  `)

  assert.match(result.coverageReason, /trackBuffers\(\) is not running/)
  assert.deepStrictEqual({ ...result, coverageReason: 0 }, { coverage: 'partial', coverageReason: 0, fullCoverageAt: null, createdCount: 1, liveCount: 1, same: true })
})

test('a slab is alive while a slice retains it, and not after', async () => {
  const { byteLength } = memory().bufferPool.currentSlab
  const before = memory().bufferPool
  const kept = nextSlabs(7)
  const during = memory().bufferPool

  assert.strictEqual(during.createdCount, before.createdCount + 7)
  await collectThoroughly()
  const { liveCount, liveBytes } = memory().bufferPool
  assert.ok(liveCount >= 7)
  assert.strictEqual(liveBytes, liveCount * byteLength)

  // The last of them is the current one, which Node keeps.
  kept.length = 0
  await settledWhen('six slabs are gone', () => memory().bufferPool.liveCount <= liveCount - 6)
  assert.strictEqual(memory().bufferPool.liveBytes, memory().bufferPool.liveCount * byteLength)
  assert.ok(memory().bufferPool.liveCount >= 1)
})

/** Allocates through this many slabs, looks at each, and keeps a slice of 50 bytes of each. */
function nextSlabs (count) {
  const kept = []
  let slab = slabOf(Buffer.allocUnsafe(1))
  while (kept.length < count) {
    const slice = Buffer.allocUnsafe(50)
    if (slabOf(slice) === slab) continue
    slab = slabOf(slice)
    memory()
    kept.push(slice)
  }
  return kept
}

test('the slab is probed, whatever Buffer.poolSize says', async () => {
  const results = await runChildForJson(`
    const { memory } = require(${JSON.stringify(root)})
    const usual = Buffer.poolSize
    const results = []
    for (const size of [100_000, 24_576]) {
      Buffer.poolSize = size
      // The old slab is used up first.
      const old = Buffer.allocUnsafe(1).buffer
      while (Buffer.allocUnsafe(1000).buffer === old);
      const { byteLength } = memory().bufferPool.currentSlab
      results.push(byteLength === Buffer.allocUnsafe(1).buffer.byteLength && byteLength >= size && byteLength < size + 128)
    }
    Buffer.poolSize = 0
    results.push(memory().bufferPool.currentSlab)
    Buffer.poolSize = usual
    results.push(memory().bufferPool.currentSlab !== null)
    console.log(JSON.stringify(results))
  `)

  assert.deepStrictEqual(results, [true, true, null, true])
})

test('each worker has a pool of its own', async () => {
  const worker = new Worker(`
    const { parentPort } = require('node:worker_threads')
    const { memory } = require(${JSON.stringify(root)})
    parentPort.postMessage(memory().bufferPool)
  `, { eval: true })
  const [pool] = await require('node:events').once(worker, 'message')
  await worker.terminate()

  assert.deepStrictEqual([pool.createdCount, pool.liveCount], [1, 1])
})

test('two copies of the JavaScript files on a thread use the same counts', async () => {
  const before = memory().bufferPool.createdCount
  for (const file of Object.keys(require.cache)) {
    if (file.startsWith(path.join(root, 'lib')) || file === path.join(root, 'index.js')) delete require.cache[file]
  }
  const other = require('../../..')

  assert.notStrictEqual(other.memory, memory)
  assert.strictEqual(other.memory().bufferPool.createdCount, before)
  await collect()
})
