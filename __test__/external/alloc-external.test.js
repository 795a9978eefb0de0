'use strict'

const test = require('node:test')
const assert = require('node:assert')
const { constants } = require('node:buffer')
const { allocExternal, externalAllocations, memory, track, untrack } = require('../..')
const binding = require('../../lib/base/load.js')
const { collectThoroughly, settledWhen } = require('../helpers/settle.js')

const SIZE = 12_345_678
const tallyOf = (label) => externalAllocations().labels[label]

test('an external allocation is in V8\'s counter exactly once: before, during, after', async () => {
  await collectThoroughly()
  const before = memory()

  let buffer = allocExternal(SIZE, { label: 'counted once' })
  const during = memory()
  // Node itself makes and frees some small things meanwhile (seen: 104 bytes).
  assert.ok(Math.abs(during.declaredExternalBytes - before.declaredExternalBytes - SIZE) < 100_000)
  assert.ok(Math.abs(during.external - before.external - SIZE) < 100_000)
  // Node counts only what its own allocator made there.
  assert.ok(Math.abs(during.arrayBuffers - before.arrayBuffers) < 100_000)
  assert.strictEqual(tallyOf('counted once').liveBytes, SIZE)
  assert.strictEqual(during.trackedExternalBytes - before.trackedExternalBytes, SIZE)

  assert.strictEqual(buffer.length, SIZE)
  buffer = undefined
  await settledWhen('the memory is freed', () => tallyOf('counted once').liveCount === 0)
  const after = memory()
  assert.ok(Math.abs(after.declaredExternalBytes - before.declaredExternalBytes) < 100_000)
})

test('the memory is zeroed, writable, and a Buffer like any other', () => {
  const buffer = allocExternal(100_000)

  assert.ok(Buffer.isBuffer(buffer))
  assert.ok(buffer.every((byte) => byte === 0))
  buffer.write('hello', 99_995)
  assert.strictEqual(buffer.subarray(99_995).toString(), 'hello')
})

test('the bytes stay counted as long as any view of the memory lives', async () => {
  let buffer = allocExternal(54_321, { label: 'outlived' })
  let view = new Uint8Array(buffer.buffer, 100, 10)
  buffer = undefined
  await collectThoroughly()
  assert.strictEqual(tallyOf('outlived').liveBytes, 54_321)
  assert.strictEqual(view.length, 10)

  view = undefined
  await settledWhen('the memory is freed', () => tallyOf('outlived').liveCount === 0)
})

test('the live bytes are in RSS while they are used and leave it afterwards', async () => {
  const size = 64 * 2 ** 20
  const before = memory().rss
  let buffer = allocExternal(size, { label: 'resident' }).fill(1)
  assert.ok(memory().rss - before > 0.9 * size)
  assert.strictEqual(buffer[size - 1], 1)

  buffer = undefined
  await settledWhen('the memory is freed', () => tallyOf('resident').liveCount === 0)
  assert.ok(memory().rss - before < 0.5 * size)
})

test('tracking an external allocation relabels it and does not count it twice', async () => {
  let buffer = allocExternal(7_777, { label: 'mine' })
  track(buffer, { label: 'yours' })
  assert.strictEqual(tallyOf('mine').liveCount, 0)
  assert.strictEqual(tallyOf('yours').liveBytes, 7_777)

  const alias = track(new Uint8Array(buffer.buffer), { label: 'alias' })
  assert.strictEqual(tallyOf('yours').liveCount, 1)
  assert.strictEqual(tallyOf('alias').liveCount, 1)
  assert.strictEqual(untrack(alias), true)

  buffer = undefined
  await collectThoroughly()
  assert.strictEqual(tallyOf('yours').liveCount, 1, 'the alias holds the memory')
})

test('an external allocation that is untracked is still freed, and only once', async () => {
  await collectThoroughly()
  const before = memory().declaredExternalBytes
  let buffer = allocExternal(SIZE, { label: 'released' })
  assert.strictEqual(untrack(buffer), true)
  assert.strictEqual(tallyOf('released').liveCount, 0)
  assert.strictEqual(untrack(buffer), false)

  buffer = undefined
  await settledWhen('V8 has released it', () => memory().declaredExternalBytes - before < 100_000)
  assert.strictEqual(tallyOf('released').liveCount, 0)
})

test('0 bytes make an empty Buffer that is counted', () => {
  const buffer = allocExternal(0, { label: 'nothing' })

  assert.strictEqual(buffer.length, 0)
  assert.strictEqual(tallyOf('nothing').liveCount, 1)
  assert.strictEqual(tallyOf('nothing').liveBytes, 0)
})

test('more than a Buffer can have is a RangeError', () => {
  for (const size of [constants.MAX_LENGTH + 1, 2 ** 53, Infinity, -1, 1.5, NaN]) {
    assert.throws(() => allocExternal(size), { name: 'RangeError', code: 'ERR_OUT_OF_RANGE' })
  }
})

test('memory that the system does not have is ERR_OFFHEAP_OUT_OF_MEMORY, and nothing is counted', { skip: constants.MAX_LENGTH < 2 ** 47 && 'a Buffer cannot be that long before Node 22' }, () => {
  for (const size of [2 ** 47, constants.MAX_LENGTH]) {
    assert.throws(() => allocExternal(size, { label: 'too much' }), (error) => {
      assert.strictEqual(error.code, 'ERR_OFFHEAP_OUT_OF_MEMORY')
      assert.ok(error instanceof Error)
      assert.match(error.message, new RegExp(String(size)))
      return true
    })
  }
  assert.strictEqual(tallyOf('too much'), undefined)
})

test('where external buffers are refused, the Buffer is a zeroed copy that is counted until it is collected', async () => {
  binding.refuseExternalBuffers(true)
  try {
    // Fill what the allocator will hand out again.
    for (let i = 0; i < 20; i++) Buffer.allocUnsafeSlow(77_777).fill(0xee)
    global.gc()
    let buffer = allocExternal(77_777, { label: 'copied' })
    assert.strictEqual(buffer.length, 77_777)
    assert.ok(buffer.every((byte) => byte === 0))
    assert.strictEqual(tallyOf('copied').liveBytes, 77_777)
    track(buffer, { label: 'copied' })
    assert.strictEqual(tallyOf('copied').totalCount, 1)

    buffer = undefined
    await settledWhen('the copy is collected', () => tallyOf('copied').liveCount === 0)
  } finally {
    binding.refuseExternalBuffers(false)
  }
})

test('a hundred thousand external allocations leave nothing behind', async () => {
  for (let round = 0; round < 20; round++) {
    for (let i = 0; i < 5_000; i++) allocExternal(1_001, { label: 'churn' })
    await new Promise(setImmediate)
  }
  await settledWhen('all are freed', () => tallyOf('churn').liveCount === 0)

  assert.strictEqual(tallyOf('churn').totalCount, 100_000)
  assert.strictEqual(tallyOf('churn').totalBytes, 100_100_000)
})
