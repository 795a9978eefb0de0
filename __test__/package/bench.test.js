'use strict'

const test = require('node:test')
const assert = require('node:assert')
const path = require('node:path')
const { interleave, median, quantile } = require('../../bench/helpers.js')
const { runChild } = require('../helpers/child.js')

const runner = path.join(__dirname, '..', '..', 'bench', 'run.js')

test('the median of an even count lies between the two middle values', () => {
  assert.strictEqual(median([9, 1, 5]), 5)
  assert.strictEqual(median([9, 1, 5, 7]), 6)
  assert.strictEqual(quantile([1, 2, 3, 4, 5], 0.99), 4.96)
  assert.throws(() => median([]), RangeError)
})

test('measurements take turns, there and back, after a round that does not count', async () => {
  const order = []
  const results = await interleave(2, { a: () => order.push('a'), b: async () => order.push('b') })

  assert.strictEqual(order.join(''), 'ababba')
  assert.deepStrictEqual(results, { a: [3, 6], b: [4, 5] })
})

test('an unknown benchmark is an error that names the known ones', async () => {
  const { code, stderr } = await runChild(runner, { args: ['nosuch'] })

  assert.strictEqual(code, 1)
  assert.match(stderr, /one of: .*memory/)
})

test('--rounds must be a whole number', async () => {
  for (const rounds of ['0', '-1', 'x', '1.5']) {
    const { code, stderr } = await runChild(runner, { args: ['memory', '--rounds', rounds] })
    assert.strictEqual(code, 1)
    assert.match(stderr, /--rounds needs a whole number/)
  }
})
