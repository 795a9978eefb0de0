'use strict'

const test = require('node:test')
const assert = require('node:assert')
const { setImmediate: turn } = require('node:timers/promises')
const { externalAllocations, memory, support, track } = require('../..')
const { pendingRecords } = require('../../lib/base/load.js')
const { collect, settledWhen } = require('../helpers/settle.js')

const COUNT = 150_001

// Functions of their own: an async one would keep values in its frame.
function make () {
  return Array.from({ length: COUNT }, (_, index) => track({ index }, { label: 'swept', byteLength: 3 }))
}

function dropHalf (values) {
  values.length = (COUNT - 1) / 2
}

async function untilOld () {
  for (let round = 0; round < 3; round++) await collect()
  await untilSwept()
}

async function untilSwept () {
  for (let round = 0; round < 10_000 && pendingRecords() > 0; round++) await turn()
  assert.strictEqual(pendingRecords(), 0)
}

/** Right after a major collection was noticed, and before all records were looked at. */
async function inTheMiddleOfASweep () {
  for (let round = 0; round < 20; round++) {
    global.gc()
    for (let turns = 0; turns < 3; turns++) {
      await turn()
      if (pendingRecords() > 0) return
    }
  }
  assert.fail('no sweep was ever under way')
}

test('a large table is swept over several event-loop ticks, and a read of the tallies completes the sweep first', async (t) => {
  const values = make()
  await untilOld()
  assert.strictEqual(externalAllocations().labels.swept.liveCount, COUNT)

  dropHalf(values)
  await inTheMiddleOfASweep()
  assert.ok(pendingRecords() < COUNT, `${pendingRecords()} of ${COUNT}: a part was looked at`)
  const { liveCount, liveBytes } = externalAllocations().labels.swept
  assert.deepStrictEqual([liveCount, liveBytes], [75_000, 225_000])
  assert.strictEqual(pendingRecords(), 0)

  await inTheMiddleOfASweep()
  const { weakCount } = support().ownReferences
  assert.strictEqual(pendingRecords(), 0)
  assert.ok(weakCount >= 75_000 && weakCount < 75_100, `${weakCount} references for 75,000 values`)
  values.length = 0
})

test('without a read, event-loop ticks complete the sweep', async () => {
  await settledWhen('the values of other tests', () => externalAllocations().liveCount === 0)
  const values = make()
  await untilOld()
  const before = memory().trackedExternalBytes
  dropHalf(values)
  await inTheMiddleOfASweep()
  await untilSwept()
  assert.strictEqual(before - memory().trackedExternalBytes, 75_001 * 3)
  assert.strictEqual(values.length, 75_000)
})
