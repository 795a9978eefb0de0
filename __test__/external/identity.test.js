'use strict'

const test = require('node:test')
const assert = require('node:assert')
const { externalAllocations, track, untrack } = require('../..')
const { settledWhen } = require('../helpers/settle.js')

const tallyOf = (label) => externalAllocations().labels[label]

test('several views of the same bytes are several values', () => {
  const buffer = Buffer.alloc(1_000)
  const views = [buffer, new Uint8Array(buffer.buffer), new DataView(buffer.buffer), new Uint16Array(buffer.buffer)]
  for (const view of views) track(view, { label: 'aliases' })
  for (const view of views) track(view, { label: 'aliases' })

  assert.strictEqual(tallyOf('aliases').liveCount, 4)
  assert.strictEqual(untrack(views[2]), true)
  assert.strictEqual(untrack(views[2]), false)
  assert.strictEqual(tallyOf('aliases').liveCount, 3)
})

test('thousands of views over the start of one ArrayBuffer are different values', async () => {
  const store = new ArrayBuffer(100_000)
  let views = Array.from({ length: 3_000 }, () => new Uint8Array(store, 0, 500))
  views.forEach((view) => track(view, { label: 'crowded' }))
  views.forEach((view) => track(view, { label: 'crowded' }))
  assert.strictEqual(tallyOf('crowded').liveCount, 3_000)
  assert.strictEqual(tallyOf('crowded').totalCount, 3_000)

  // Those that are found by address and those that are not, when the first ones are gone.
  const late = views.slice(2_000)
  views.slice(0, 1_000).forEach((view) => assert.strictEqual(untrack(view), true))
  views = undefined
  await settledWhen('the middle is gone', () => tallyOf('crowded').liveCount === 1_000)
  for (const view of late) track(view, { label: 'crowded' })
  assert.strictEqual(tallyOf('crowded').liveCount, 1_000)
  for (const view of late) assert.strictEqual(untrack(view), true)
  assert.strictEqual(tallyOf('crowded').liveBytes, 0)
})

test('a view whose ArrayBuffer was transferred is still the same value', () => {
  for (const view of [new Uint8Array(5_000), new DataView(new ArrayBuffer(5_000))]) {
    track(view, { label: 'detached' })
    structuredClone(view.buffer, { transfer: [view.buffer] })
    assert.strictEqual(view.buffer.byteLength, 0)

    assert.strictEqual(untrack(view), true)
    assert.strictEqual(untrack(view), false)
    assert.strictEqual(tallyOf('detached').liveCount, 0)
  }
})

test('a new view over bytes that were transferred is another value than the old one', () => {
  const old = track(new Uint8Array(5_000), { label: 'transferred' })
  const store = structuredClone(old.buffer, { transfer: [old.buffer] })
  const young = track(new Uint8Array(store), { label: 'transferred' })

  assert.strictEqual(tallyOf('transferred').liveCount, 2)
  assert.strictEqual(untrack(young), true)
  assert.strictEqual(untrack(old), true)
})

test('empty values are different values, and count 0 bytes', () => {
  const values = [Buffer.alloc(0), Buffer.alloc(0), new Uint8Array(0), new ArrayBuffer(0), Buffer.from('abc').subarray(3), new DataView(new ArrayBuffer(0))]
  for (const value of values) track(value, { label: 'empty' })
  for (const value of values) track(value, { label: 'empty' })

  assert.strictEqual(tallyOf('empty').liveCount, values.length)
  assert.strictEqual(tallyOf('empty').liveBytes, 0)
})

test('tracking a small typed array does not move its bytes out of the heap', () => {
  // V8 keeps typed arrays of up to 64 bytes inside the heap until somebody asks for their address.
  const before = process.memoryUsage().arrayBuffers
  const values = Array.from({ length: 1_000 }, () => track(new Uint8Array(33), { label: 'on heap' }))

  assert.strictEqual(process.memoryUsage().arrayBuffers, before)
  assert.strictEqual(tallyOf('on heap').liveBytes, 33 * values.length)
})

test('a resizable ArrayBuffer counts what it was when tracked, and its views are found after it was resized', () => {
  const store = new ArrayBuffer(1_000, { maxByteLength: 10_000 })
  const view = track(new Uint8Array(store), { label: 'resizable' })
  store.resize(9_000)

  assert.strictEqual(tallyOf('resizable').liveBytes, 1_000)
  track(view)
  assert.strictEqual(tallyOf('resizable').liveBytes, 9_000)
  assert.strictEqual(tallyOf('resizable').liveCount, 1)
})

test('frozen objects, proxies and objects of other realms can be tracked', async () => {
  const values = [Object.freeze({}), new Proxy({}, {}), Object.create(null), require('node:vm').runInNewContext('({})')]
  values.forEach((value) => track(value, { label: 'odd objects', byteLength: 11 }))
  values.forEach((value) => track(value, { label: 'odd objects', byteLength: 11 }))
  const foreign = track(require('node:vm').runInNewContext('new Uint8Array(2000)'), { label: 'odd objects' })

  assert.strictEqual(tallyOf('odd objects').liveCount, 5)
  assert.strictEqual(tallyOf('odd objects').liveBytes, 4 * 11 + 2_000)
  values.length = 0
  await settledWhen('the objects are gone', () => tallyOf('odd objects').liveCount === 1)
  assert.strictEqual(untrack(foreign), true)
})

test('a WebAssembly memory that grows detaches its ArrayBuffer, which is still found', () => {
  const memory = new WebAssembly.Memory({ initial: 1 })
  const view = track(new Uint8Array(memory.buffer), { label: 'wasm' })
  memory.grow(1)

  assert.strictEqual(tallyOf('wasm').liveBytes, 65_536)
  assert.strictEqual(untrack(view), true)
})

test('every slice of a slab is a value of its own', async () => {
  let slices = Array.from({ length: 5_000 }, (_, n) => track(Buffer.from(`slice number ${n} of some slab`), { label: 'slices' }))
  const bytes = slices.reduce((sum, slice) => sum + slice.length, 0)

  assert.strictEqual(tallyOf('slices').liveCount, 5_000)
  assert.strictEqual(tallyOf('slices').liveBytes, bytes)
  slices = undefined
  await settledWhen('the slices are gone', () => tallyOf('slices').liveCount === 0)
})
