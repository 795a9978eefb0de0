'use strict'

const test = require('node:test')
const assert = require('node:assert')
const { runFixture } = require('./helpers/node.js')
const { support } = require('../..')

const { available, reason } = support().probe
const skip = available ? false : `no probe here: ${reason}`

test('two workers that never stop working do not prevent snapshots of the main thread', { skip }, async () => {
  const { code, signal, stderr, said } = await runFixture('lifecycle.js', ['busyWorkers'])
  assert.deepStrictEqual([code, signal], [0, null], stderr)
  assert.deepStrictEqual(said, { counts: [55, 55, 55], kept: 55 })
})
