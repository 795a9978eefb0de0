'use strict'

const test = require('node:test')
const assert = require('node:assert')
const path = require('node:path')
const { support, track } = require('../..')
const { settledWhen } = require('../helpers/settle.js')
const { runChildForJson } = require('../helpers/child.js')

const root = path.join(__dirname, '..', '..')
const preamble = `
  const { externalAllocations, memory, support, track } = require(${JSON.stringify(root)})
  const { settledWhen } = require(${JSON.stringify(path.join(root, '__test__', 'helpers', 'settle.js'))});
`

test('a million distinct labels are folded into (other), and labelsFolded says so', async () => {
  const { before, after, labelCount, other, labelsFolded, first, heapBytes } = await runChildForJson(`${preamble}
    track(Buffer.alloc(100), { label: 'before' })
    gc()
    const heapBefore = process.memoryUsage().heapUsed
    const foldedEarly = externalAllocations().labelsFolded
    for (let i = 0; i < 1e6; i++) track(Buffer.allocUnsafe(100), { label: 'label number ' + i })
    const reading = externalAllocations()
    ;(async () => {
      await settledWhen('all are gone', () => externalAllocations().liveCount === 0)
      gc()
      console.log(JSON.stringify({
        before: foldedEarly, after: reading.labelsFolded, labelCount: Object.keys(reading.labels).length,
        other: reading.labels['(other)'].totalCount, labelsFolded: externalAllocations().labelsFolded,
        first: reading.labels['label number 0'].totalCount, heapBytes: process.memoryUsage().heapUsed - heapBefore
      }))
    })()
  `, { execArgv: ['--expose-gc'], timeoutMs: 120_000 })

  assert.strictEqual(before, false)
  assert.strictEqual(after, true)
  assert.strictEqual(labelsFolded, true)
  assert.strictEqual(labelCount, 4_096 + 1)
  assert.strictEqual(other, 1_000_000 - (4_096 - 1))
  assert.strictEqual(first, 1)
  // A million strings remembered would be 30 MB and more; the limit's worth of them and a reading of them are 5 to 7 MB.
  assert.ok(heapBytes < 12 * 2 ** 20, `${heapBytes} bytes of heap`)
})

test('a million buffers tracked and freed leave live counts at zero and our own memory flat', async () => {
  const { live, total, rss, references } = await runChildForJson(`${preamble}
    async function million () {
      for (let i = 0; i < 1000; i++) {
        for (let j = 0; j < 1000; j++) track(Buffer.allocUnsafe(100), { label: 'million' })
        await new Promise(setImmediate)
      }
      await settledWhen('all are gone', () => externalAllocations().liveCount === 0)
    }
    (async () => {
      const rss = []
      for (let round = 0; round < 4; round++) { await million(); rss.push(process.memoryUsage.rss()) }
      await settledWhen('what notices collections is released, two major ones later', () => support().ownReferences.strongCount === 1)
      console.log(JSON.stringify({ live: externalAllocations().liveBytes, total: externalAllocations().totalCount, rss, references: support().ownReferences }))
    })()
  `, { execArgv: ['--expose-gc'], timeoutMs: 240_000 })

  assert.strictEqual(live, 0)
  assert.strictEqual(total, 4_000_000)
  assert.deepStrictEqual([references.strongCount, references.weakCount], [1, 0])
  // The first rounds warm malloc and V8 up; from then on a leak of 8 bytes a value would be 16 MB.
  assert.ok(rss[3] - rss[1] < 8 * 2 ** 20, `${rss.map((bytes) => (bytes / 2 ** 20).toFixed(1))} MiB`)
})

test('a million values alive at once are counted, and our own tables are given back when they are released', async () => {
  const { live, before, during, after } = await runChildForJson(`${preamble}
    const { recordBytes } = require(${JSON.stringify(path.join(root, 'lib', 'base', 'load.js'))});
    (async () => {
      const store = new ArrayBuffer(1e8)
      const before = recordBytes()
      let views = Array.from({ length: 1e6 }, (_, i) => new Uint8Array(store, i * 100, 100))
      views.forEach((view) => track(view, { label: 'alive' }))
      const live = externalAllocations().labels.alive
      const during = recordBytes()
      views = undefined
      await settledWhen('all are gone', () => externalAllocations().liveCount === 0)
      await settledWhen('a major sweep has run', () => recordBytes() === 0)
      console.log(JSON.stringify({ live, before, during, after: recordBytes() }))
    })()
  `, { execArgv: ['--expose-gc'], timeoutMs: 240_000 })

  assert.deepStrictEqual([live.liveCount, live.liveBytes], [1_000_000, 100_000_000])
  assert.ok(during > 64e6 && during < 200e6, `${during} bytes for a million records`)
  assert.deepStrictEqual([before, after], [0, 0])
})

test('the references that offheap holds return to the baseline, and V8 agrees', async () => {
  const { baseline, held, heldHandles, released, releasedHandles } = await runChildForJson(`${preamble}
    const v8 = require('node:v8')
    const handles = () => v8.getHeapStatistics().used_global_handles_size / 32
    async function settled () { for (let i = 0; i < 10; i++) { gc(); await new Promise(setImmediate) } }
    (async () => {
      await settled()
      const baseline = support().ownReferences
      const before = handles()
      let values = Array.from({ length: 10_000 }, () => Buffer.alloc(100)).concat(Array.from({ length: 1_000 }, () => ({})))
      values.forEach((value) => track(value, { byteLength: 100 }))
      const held = support().ownReferences
      const heldHandles = handles() - before
      values = undefined
      await settled()
      console.log(JSON.stringify({ baseline, held, heldHandles, released: support().ownReferences, releasedHandles: handles() - before }))
    })()
  `, { execArgv: ['--expose-gc'] })

  assert.strictEqual(baseline.weakCount, 0)
  assert.strictEqual(baseline.strongCount, 1, 'the object that all copies of lib/external/track.js share')
  assert.strictEqual(held.weakCount, 11_000)
  assert.strictEqual(held.liveCount, held.weakCount + held.strongCount)
  assert.ok(Math.abs(heldHandles - 11_000) < 100, `${heldHandles} handles for 11,000 references`)
  assert.deepStrictEqual(
    { ...released, totalCount: 0 },
    { ...baseline, totalCount: 0 }
  )
  assert.ok(Math.abs(releasedHandles) < 100, `${releasedHandles} handles too many`)
})

test('strong references are counted while there are values, and released with the last one', async () => {
  let value = track(Buffer.alloc(1_000), { label: 'the only one' })
  const { liveCount, strongCount, weakCount, totalCount } = support().ownReferences
  assert.strictEqual(weakCount, 1)
  assert.ok(strongCount > 1, 'the objects that wait to become sentinels')
  assert.strictEqual(liveCount, strongCount + weakCount)
  assert.ok(totalCount >= liveCount)
  assert.strictEqual(value.length, 1_000)

  value = undefined
  await settledWhen('all references are gone but the shared one', () => support().ownReferences.liveCount === 1)
})
