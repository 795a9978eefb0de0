'use strict'

// Where sampled things were made.

const test = require('node:test')
const assert = require('node:assert')
const path = require('node:path')
const offheap = require('../../..')
const { runChildForJson } = require('../../helpers/child.js')
const { fixtureAddon } = require('../../helpers/fixture-addon.js')

const root = path.join(__dirname, '..', '..', '..')
const { file, skip } = fixtureAddon('loader')
const { available, reason } = offheap.support().watchAddons
const needs = skip ?? (available ? false : reason)

const run = (options) => runChildForJson(`
  const offheap = require(${JSON.stringify(root)})
  const watch = offheap.watchAddons(${JSON.stringify(options)})
  const addon = require(${JSON.stringify(file)})
  addon.work(300)
  const row = offheap.addons().rows.find((row) => row.file === ${JSON.stringify(file)})
  console.log(JSON.stringify({ stacks: row.stacks, live: row.references.liveCount }))
  watch.stop()
`)

/** The two functions of the fixture, with what was sampled in each. */
function functions (stacks) {
  return stacks.map(({ kind, liveCount, totalCount, frames }) => ({ kind, liveCount, totalCount, symbol: frames[0].symbol, file: frames[0].file }))
    .sort((a, b) => a.symbol < b.symbol ? -1 : 1)
}

test('a leak names its function', { skip: needs }, async () => {
  const { stacks, live } = await run({ stacks: { everyNth: 1 } })

  // The two calls that tidy up return to different places in `work`.
  const leaks = functions(stacks).filter(({ symbol }) => symbol === 'offheap_fixture_leaks')
  const tidies = functions(stacks).filter(({ symbol }) => symbol === 'offheap_fixture_tidies')
  assert.strictEqual(live, 300)
  assert.deepStrictEqual(leaks, [{ kind: 'reference', liveCount: 300, totalCount: 300, symbol: 'offheap_fixture_leaks', file }])
  assert.deepStrictEqual(tidies.map(({ liveCount }) => liveCount), tidies.map(() => 0))
  assert.strictEqual(tidies.reduce((sum, { totalCount }) => sum + totalCount, 0), 600)
  assert.strictEqual(stacks[0].frames[0].symbol, 'offheap_fixture_leaks')
  assert.ok(stacks[0].frames.some((frame) => frame.file === file && frame.symbol === null), 'its caller is in the addon as well')
})

test('one thing in everyNth is sampled', { skip: needs }, async () => {
  // 900 references: numbers 1, 8, 15, … are sampled, 129 of them; of each three the first leaks.
  const { stacks } = await run({ stacks: { everyNth: 7 } })

  assert.strictEqual(stacks.reduce((sum, { totalCount }) => sum + totalCount, 0), 129)
  assert.strictEqual(stacks.reduce((sum, { liveCount }) => sum + liveCount, 0), 43)
})

test('nothing is sampled without the option stacks', { skip: needs }, async () => {
  assert.deepStrictEqual(await run({}), { live: 300 })
  assert.deepStrictEqual(await run({ stacks: false }), { live: 300 })
})

test('wrong values of stacks are refused', { skip: needs }, () => {
  for (const stacks of [null, 5, 'x', []]) assert.throws(() => offheap.watchAddons({ stacks }), { code: 'ERR_INVALID_ARG_TYPE' })
  assert.throws(() => offheap.watchAddons({ stacks: { everynth: 5 } }), { code: 'ERR_INVALID_ARG_VALUE', message: /everyNth/ })
  for (const everyNth of [0, -1, 1.5, NaN, 1_000_001]) assert.throws(() => offheap.watchAddons({ stacks: { everyNth } }), { code: 'ERR_OUT_OF_RANGE' })
  assert.throws(() => offheap.watchAddons({ stacks: { everyNth: '5' } }), { code: 'ERR_INVALID_ARG_TYPE' })
})
