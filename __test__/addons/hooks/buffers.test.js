'use strict'

// Buffers that Node allocates for addons: totals always, what is live on request.

const test = require('node:test')
const assert = require('node:assert')
const offheap = require('../../..')
const { settledWhen } = require('../../helpers/settle.js')
const { fixtureAddon } = require('../../helpers/fixture-addon.js')

const { file, skip } = fixtureAddon('loader')
const { available, reason } = offheap.support().watchAddons
const row = () => offheap.addons().rows.find((row) => row.file === file)

function make (addon) {
  return [addon.buffer(1_013), addon.buffer(1_013), addon.bufferCopy(2_027), addon.arrayBuffer(4_057), addon.arrayBuffer(4_057)]
}

test('live Buffers that Node allocates are counted with the option buffers', { skip: skip ?? (available ? false : reason) }, async () => {
  // GIVEN a watch that does not ask for it
  const plain = offheap.watchAddons()
  const addon = require(file)
  assert.strictEqual(make(addon).length, 5)
  const totals = row()
  assert.deepStrictEqual(totals.buffers, { liveCount: null, liveBytes: null, totalCount: 3, totalBytes: 4_053 })
  assert.deepStrictEqual(totals.arrayBuffers, { liveCount: null, liveBytes: null, totalCount: 2, totalBytes: 8_114 })
  plain.stop()

  // WHEN one does
  const watch = offheap.watchAddons({ buffers: true })
  const holder = { held: make(addon) }
  const held = row()

  // THEN they are counted until they are collected, and no finalizer of the addon's is made up
  assert.deepStrictEqual(held.buffers, { liveCount: 3, liveBytes: 4_053, totalCount: 3, totalBytes: 4_053 })
  assert.deepStrictEqual(held.arrayBuffers, { liveCount: 2, liveBytes: 8_114, totalCount: 2, totalBytes: 8_114 })
  assert.strictEqual(held.finalizers.pendingCount, 0)
  holder.held = undefined
  await settledWhen('all Buffers are gone', () => row().buffers.liveCount === 0 && row().arrayBuffers.liveCount === 0)
  assert.deepStrictEqual(row().buffers, { liveCount: 0, liveBytes: 0, totalCount: 3, totalBytes: 4_053 })
  assert.strictEqual(row().references.totalCount, 0)
  watch.stop()
})
