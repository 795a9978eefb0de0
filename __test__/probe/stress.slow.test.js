'use strict'

const test = require('node:test')
const assert = require('node:assert')
const { runFixture } = require('./helpers/node.js')
const { support } = require('../..')

const { available, reason } = support().probe
const skip = available ? false : `no probe here: ${reason}`

// A hundred take about a minute; where the machine is too busy for that, what there is after two and a half.
// `npm run soak -- probe` goes on for as long as asked.
test('snapshots in a row are all whole while the service allocates, collects and compiles as fast as it can', { skip }, async (t) => {
  const result = await runFixture('stress.js', ['100', '150'], { timeoutMs: 270_000 })
  assert.deepStrictEqual([result.code, result.signal], [0, null], result.stderr)
  const { error, snapshots, wrong, descriptorsLeft, files, maxAttempts, medianPauseMs, maxPauseMs } = result.said
  assert.strictEqual(error, undefined)
  t.diagnostic(`${snapshots} snapshots, at most ${maxAttempts} attempts, pause ${medianPauseMs.toFixed(1)} ms (median), ${maxPauseMs.toFixed(1)} ms (longest)`)
  assert.deepStrictEqual([wrong, descriptorsLeft, files], [[], 0, []])
  assert.ok(snapshots >= 20, `${snapshots} snapshots`)
})
