'use strict'

// What hundreds of workers and millions of calls leave behind.

const test = require('node:test')
const assert = require('node:assert')
const path = require('node:path')
const { runChildForJson } = require('../helpers/child.js')
const { fixtureAddon } = require('../helpers/fixture-addon.js')

const script = path.join(__dirname, 'fixtures', 'lifecycle.js')
const { file, skip } = fixtureAddon('everything')
const story = (...args) => runChildForJson(script, { args, execArgv: ['--expose-gc'] })

test('an addon shows no growth after 200 workers have loaded it, used it and ended', { skip }, async () => {
  const { rows, growth } = await story('churn', file, '200')

  assert.deepStrictEqual(rows, [[0, 5]])
  assert.strictEqual(growth.references, 2)
})

test('calls that Node refuses because of a pending exception leak no memory of offheap', { skip }, async () => {
  const bare = await story('refused', file, 'bare')
  const watched = await story('refused', file, 'watched')

  assert.deepStrictEqual([bare.others, watched.others], [0, 0])
  // 1.6 million calls, of which each had left a record of 64 bytes.
  assert.ok(watched.grewBytes < bare.grewBytes + 10_000_000, `${watched.grewBytes} watched, ${bare.grewBytes} bare`)
})

test('memory for a burst of references is freed while the watch runs, and at its stop', { skip }, async () => {
  const bare = await story('burst', file, 'bare')
  const watched = await story('burst', file, 'watched')

  assert.deepStrictEqual(watched.lives, [0])
  // 3 million references at a time: the tables for them are 100 to 200 MB.
  assert.ok(watched.afterBurstBytes < bare.afterBurstBytes + 10_000_000, `${watched.afterBurstBytes} watched, ${bare.afterBurstBytes} bare`)
  assert.ok(watched.afterStopBytes < bare.afterStopBytes + 10_000_000, `${watched.afterStopBytes} after the stop, ${bare.afterStopBytes} bare`)
})
