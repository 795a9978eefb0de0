'use strict'

const test = require('node:test')
const assert = require('node:assert')
const { Budget } = require('../../../lib/buffers/census/budget.js')

const HOUR_MS = 3_600_000

test('a look begins only when there is time for it and for sorting, at 1.5 times the duration of the slowest look', () => {
  const budget = new Budget(performance.now() + 10 * HOUR_MS, 0)
  assert.strictEqual(budget.affords(1_000), true)
  budget.looked(HOUR_MS)
  budget.looked(1)
  // (5 + 1) · 1.5 hours of ten; (6 + 1) · 1.5 are more.
  assert.deepStrictEqual([budget.affords(5), budget.affords(6)], [true, false])
})

test('the first look is estimated from the size of the heap, later ones from the looks before', () => {
  const budget = new Budget(performance.now() + HOUR_MS, 1e12)
  assert.strictEqual(budget.affords(0), false)
  budget.looked(1_000)
  assert.strictEqual(budget.affords(2), true)
})

test('no look begins after the time limit', () => {
  assert.strictEqual(new Budget(performance.now() - 1, 0).affords(0), false)
})
