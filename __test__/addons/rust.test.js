'use strict'

// An addon made with napi-rs and its default features: no function of Node-API is imported, all are looked up by dlsym().

const test = require('node:test')
const assert = require('node:assert')
const path = require('node:path')
const { runChildForJson } = require('../helpers/child.js')
const { rustAddon } = require('../helpers/fixture-addon.js')

const script = path.join(__dirname, 'fixtures', 'rust.js')
const { file, skip } = rustAddon()

const STEPS = [
  ['references of count 0, 1 and 2', { 'references.liveCount': 3, 'references.strongCount': 2, 'references.weakCount': 1, 'references.totalCount': 3, 'references.countSum': 3 }],
  ['the first becomes strong, the second weak, the third 3', { 'references.countSum': 1 }],
  ['all deleted', { 'references.liveCount': -3, 'references.strongCount': -2, 'references.weakCount': -1, 'references.deletedCount': 3, 'references.countSum': -4 }],
  ['29 weak ones', { 'references.liveCount': 29, 'references.weakCount': 29, 'references.totalCount': 29 }],
  ['their objects are collected', { 'references.outlivedCount': 29 }],
  ['they are deleted', { 'references.liveCount': -29, 'references.weakCount': -29, 'references.outlivedCount': -29, 'references.deletedCount': 29 }],
  ['five wrapped', { 'wraps.liveCount': 5, 'wraps.totalCount': 5, 'finalizers.pendingCount': 5 }],
  ['one wrap removed', { 'wraps.liveCount': -1, 'finalizers.pendingCount': -1 }],
  ['six external Buffers of 5003 bytes', {
    'externalBuffers.liveCount': 6, 'externalBuffers.liveBytes': 30_018, 'externalBuffers.totalCount': 6, 'externalBuffers.totalBytes': 30_018, 'finalizers.pendingCount': 6
  }],
  ['what was wrapped and what was external is collected', { 'wraps.liveCount': -4, 'externalBuffers.liveCount': -6, 'externalBuffers.liveBytes': -30_018, 'finalizers.pendingCount': -10 }],
  ['1003 bytes declared', { adjustedExternalBytes: 1_003 }],
  ['and taken back', { adjustedExternalBytes: -1_003 }],
  ['three objects of a class of napi-rs', {
    'references.liveCount': 3, 'references.weakCount': 3, 'references.totalCount': 3, 'wraps.liveCount': 3, 'wraps.totalCount': 3, 'finalizers.pendingCount': 3
  }],
  ['they are collected', { 'references.liveCount': -3, 'references.weakCount': -3, 'references.deletedCount': 3, 'wraps.liveCount': -3, 'finalizers.pendingCount': -3 }],
  ['a Buffer is lent for a call', { 'references.totalCount': 1, 'references.deletedCount': 1 }],
  ['two tasks have run', { 'deferreds.totalCount': 2, 'asyncWorks.totalCount': 2 }]
]

/** The highest count of a reference depends on what napi-rs did before, and is not a matter of these steps. */
const withoutHighest = (steps) => steps.map(([name, { 'references.highestCount': highest, ...changed }]) => [name, changed])

test('every count of an addon made with napi-rs is exact', { skip }, async () => {
  const { row, steps } = await runChildForJson(script, { args: [file, 'first'], execArgv: ['--expose-gc'] })

  assert.deepStrictEqual(withoutHighest(steps), STEPS)
  assert.deepStrictEqual([row.api, row.coverage, row.coverageReason], ['node-api', 'full', null])
  // napi-rs's own: the class's constructor and one more by reference, and its thread-safe function for releases on other threads.
  assert.deepStrictEqual([row.references.strongCount, row.references.totalCount, row.threadsafeFunctions.liveCount], [2, 2, 1])
})

test('calls after the watch began are counted exactly, for a napi-rs addon that was loaded before', { skip }, async () => {
  const { row, steps } = await runChildForJson(script, { args: [file, 'late'], execArgv: ['--expose-gc'] })

  assert.deepStrictEqual(withoutHighest(steps), [['things from before the watch are released', {}], ...STEPS])
  assert.strictEqual(row.coverage, 'partial')
})
