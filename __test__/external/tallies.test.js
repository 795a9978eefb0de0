'use strict'

const test = require('node:test')
const assert = require('node:assert')
const { externalAllocations, track, untrack } = require('../..')
const { collectThoroughly, settledWhen } = require('../helpers/settle.js')

// Each test uses a label of its own, so that none sees another's values.
const tallyOf = (label) => externalAllocations().labels[label]
const released = (label) => settledWhen(`${label} is released`, () => tallyOf(label).liveCount === 0)

test('track returns the value itself', () => {
  for (const value of [Buffer.alloc(1234), new Float64Array(3), new DataView(new ArrayBuffer(99)), new ArrayBuffer(7), new SharedArrayBuffer(8)]) {
    assert.strictEqual(track(value), value)
  }
  const object = {}
  assert.strictEqual(track(object, { byteLength: 1 }), object)
  const fn = () => {}
  assert.strictEqual(track(fn, { byteLength: 1 }), fn)
})

test('live, total and peak are exact from the first value to the last release', async () => {
  // GIVEN three values of odd sizes
  let values = [Buffer.allocUnsafe(1_237), Buffer.alloc(100_003), new Uint32Array(777)]
  // Not a loop: the frame of an async function would keep its last value alive.
  values.forEach((value) => track(value, { label: 'exact' }))
  const whole = 1_237 + 100_003 + 4 * 777

  assert.deepStrictEqual(tallyOf('exact'), {
    liveBytes: whole, liveCount: 3, totalBytes: whole, totalCount: 3, peakBytes: whole, peakCount: 3
  })

  // WHEN they are collected
  values = undefined
  await released('exact')

  // THEN nothing is live, and total and peak stay
  assert.deepStrictEqual(tallyOf('exact'), {
    liveBytes: 0, liveCount: 0, totalBytes: whole, totalCount: 3, peakBytes: whole, peakCount: 3
  })
})

test('tracking keeps nothing alive, and what is held stays counted', async () => {
  const kept = track(Buffer.alloc(4_321), { label: 'kept' })
  const keptObject = track({}, { label: 'kept', byteLength: 321 })
  const gone = new WeakRef(track(Buffer.alloc(5_432), { label: 'gone' }))
  const goneObject = new WeakRef(track({}, { label: 'gone', byteLength: 1 }))

  await released('gone')
  await collectThoroughly()

  assert.strictEqual(gone.deref(), undefined)
  assert.strictEqual(goneObject.deref(), undefined)
  assert.strictEqual(tallyOf('kept').liveCount, 2)
  assert.strictEqual(tallyOf('kept').liveBytes, 4_321 + 321)
  assert.strictEqual(kept.length + Object.keys(keptObject).length, 4_321)
})

test('the peak is the highest live value, not the sum of all', async () => {
  for (let round = 0; round < 3; round++) {
    let values = [track(Buffer.alloc(10_001), { label: 'peak' }), track(Buffer.alloc(20_002), { label: 'peak' })]
    assert.strictEqual(values.length, 2)
    values = undefined
    await released('peak')
  }

  const { peakBytes, peakCount, totalBytes, totalCount } = tallyOf('peak')
  assert.deepStrictEqual({ peakBytes, peakCount, totalBytes, totalCount }, {
    peakBytes: 30_003, peakCount: 2, totalBytes: 90_009, totalCount: 6
  })
})

test('a value that is tracked twice counts once, under the second label', () => {
  for (const value of [Buffer.allocUnsafe(150), Buffer.alloc(5_000), Buffer.alloc(10), new ArrayBuffer(6_000), new SharedArrayBuffer(70)]) {
    const before = externalAllocations()
    track(value, { label: 'first' })
    track(value, { label: 'second' })
    track(value)
    const after = externalAllocations()

    assert.strictEqual(after.liveCount - before.liveCount, 1)
    assert.strictEqual(after.totalCount - before.totalCount, 1)
    assert.strictEqual(after.liveBytes - before.liveBytes, value.byteLength)
    assert.strictEqual(after.labels.first.liveCount, 0)
    assert.strictEqual(after.labels.second.liveCount - (before.labels.second?.liveCount ?? 0), 1)
    untrack(value)
  }
})

test('tracking again with another byteLength corrects what is counted', () => {
  const value = {}
  track(value, { label: 'corrected', byteLength: 1_000 })
  track(value, { byteLength: 1_500 })

  const { liveBytes, totalBytes, liveCount, totalCount } = tallyOf('corrected')
  assert.deepStrictEqual({ liveBytes, totalBytes, liveCount, totalCount }, { liveBytes: 1_500, totalBytes: 1_500, liveCount: 1, totalCount: 1 })
})

test('a byteLength given for a buffer is what counts', () => {
  const value = track(Buffer.alloc(100), { label: 'override', byteLength: 31 })

  assert.strictEqual(tallyOf('override').liveBytes, 31)
  assert.ok(value)
})

test('untrack stops counting at once, says whether it was counted, and the value can be tracked again', async () => {
  for (const [label, make] of [['untracked view', () => Buffer.alloc(3_333)], ['untracked object', () => new ArrayBuffer(3_333)]]) {
    const value = track(make(), { label })

    assert.strictEqual(untrack(value), true)
    assert.strictEqual(untrack(value), false)
    assert.strictEqual(tallyOf(label).liveBytes, 0)
    assert.strictEqual(tallyOf(label).totalBytes, 3_333)

    track(value, { label })
    assert.strictEqual(tallyOf(label).liveBytes, 3_333)
    assert.strictEqual(tallyOf(label).totalCount, 2)
    assert.strictEqual(untrack(value), true)
  }
})

test('an untracked value that is collected later is not subtracted a second time', async () => {
  let values = Array.from({ length: 100 }, () => track(Buffer.alloc(2_000), { label: 'subtracted once' }))
  const kept = track(Buffer.alloc(2_000), { label: 'subtracted once' })
  values.forEach(untrack)
  values = undefined
  await collectThoroughly()

  assert.strictEqual(tallyOf('subtracted once').liveCount, 1)
  assert.strictEqual(tallyOf('subtracted once').liveBytes, kept.length)
})

test('labels add up to the whole, in both scopes', () => {
  const held = [track(Buffer.alloc(999), { label: 'sum' }), track(Buffer.alloc(111))]
  for (const scope of ['environment', 'process']) {
    const reading = externalAllocations({ scope })
    for (const key of ['liveBytes', 'liveCount', 'totalBytes', 'totalCount']) {
      const sum = (tallies) => Object.values(tallies).reduce((total, tally) => total + tally[key], 0)
      assert.strictEqual(sum(reading.labels), reading[key], `${scope} ${key}`)
      assert.strictEqual(sum(reading.routes), reading[key], `${scope} ${key} by route`)
    }
  }
  assert.strictEqual(held.length, 2)
})

test('a label may be any text, __proto__ included', () => {
  const held = ['__proto__', 'constructor', 'ä → 🦀', 'x'.repeat(256)].map((label) => track(Buffer.alloc(500), { label }))

  const { labels } = externalAllocations()
  for (const label of ['__proto__', 'constructor', 'ä → 🦀', 'x'.repeat(256)]) {
    assert.ok(Object.hasOwn(labels, label), label)
    assert.strictEqual(Object.getOwnPropertyDescriptor(labels, label).value.liveBytes, 500)
  }
  assert.strictEqual(Object.getPrototypeOf(labels), Object.prototype)
  assert.strictEqual(held.length, 4)
})
