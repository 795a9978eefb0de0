'use strict'

const test = require('node:test')
const assert = require('node:assert')
const { Budget } = require('../../../lib/buffers/census/budget.js')

const HOUR_MS = 3_600_000

test('looks are begun only if there is time for them, at the speed of the slowest one, half as much again, and for sorting', () => {
  const budget = new Budget(performance.now() + 10 * HOUR_MS, 0)
  assert.strictEqual(budget.affords(1_000), true)
  budget.looked(HOUR_MS)
  budget.looked(1)
  // (5 + 1) · 1.5 hours of ten; (6 + 1) · 1.5 are more.
  assert.deepStrictEqual([budget.affords(5), budget.affords(6)], [true, false])
})

test('before the first look the size of the heap says how long it will take, and after it the look itself', () => {
  const budget = new Budget(performance.now() + HOUR_MS, 1e12)
  assert.strictEqual(budget.affords(0), false)
  budget.looked(1_000)
  assert.strictEqual(budget.affords(2), true)
})

test('when the time is up nothing is begun', () => {
  assert.strictEqual(new Budget(performance.now() - 1, 0).affords(0), false)
})
