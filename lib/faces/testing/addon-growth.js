'use strict'

// Counts what addons hold, before, between and after two equal blocks, as measure-growth.js does for external memory.

const { threadId } = require('node:worker_threads')
// Not through index.js, which loads these files at the first call: a test may have replaced `fs` by then.
const { addons } = require('../../addons/addons.js')
const { watchAddons } = require('../../addons/watch.js')
const { isAddon } = require('../../addons/name.js')
const { OffheapError } = require('../../base/errors.js')
const { func, integer, invalidValue, options: checkOptions, string } = require('../../base/validate.js')
const { ITERATIONS, WARMUP, measureBlocks, settledFigures } = require('./measure-growth.js')

/** The kinds of things that an addon can hold, by name. */
const METRICS = {
  references: ({ references }) => references.liveCount,
  wraps: ({ wraps }) => wraps.liveCount,
  externals: ({ externals }) => externals.liveCount,
  externalArrayBuffers: (row) => row.externalArrayBuffers.liveCount,
  externalBuffers: (row) => row.externalBuffers.liveCount,
  externalStrings: (row) => row.externalStrings.liveCount,
  externalSharedArrayBuffers: (row) => row.externalSharedArrayBuffers.liveCount,
  finalizers: (row) => row.finalizers.pendingCount,
  threadsafeFunctions: (row) => row.threadsafeFunctions.liveCount,
  deferreds: ({ deferreds }) => deferreds.unsettledCount,
  asyncWorks: ({ asyncWorks }) => asyncWorks.liveCount,
  asyncCleanupHooks: (row) => row.asyncCleanupHooks.liveCount
}

/**
 * @param {() => unknown} fn
 * @param {import('../../testing.js').AddonsGrowthOptions} [options]
 * @returns {Promise<import('../../testing.js').AddonsGrowth>} rejects with errors of `fn`, and with argument errors
 */
async function measureAddonGrowth (fn, options) {
  func('fn', fn)
  const { addon, iterations = ITERATIONS, warmup = WARMUP, toleranceCount = 0 } = checkOptions('options', options, ['addon', 'iterations', 'warmup', 'toleranceCount'])
  if (addon !== undefined) string('options.addon', addon)
  integer('options.iterations', iterations, { min: 1 })
  integer('options.warmup', warmup)
  integer('options.toleranceCount', toleranceCount)

  const watch = watchAddons()
  try {
    return await measure(fn, { addon, iterations, warmup, toleranceCount })
  } finally {
    watch.stop()
  }
}

function measure (fn, { addon, iterations, warmup, toleranceCount }) {
  return measureBlocks(fn, {
    iterations,
    warmup,
    settled: () => settledFigures(() => read(addon), agree),
    check: () => checkAddon(addon),
    compare: (readings) => compare(readings, iterations, toleranceCount),
    same: (one, other) => one.metric === other.metric && one.addon === other.addon
  })
}

/** The rows of this thread, because other threads change theirs. A row without id is of an addon that has not called Node-API yet. */
function ownRows (addon) {
  return addons().rows.filter((row) => (row.threadId === threadId || row.id === null) && (addon === undefined || isAddon(row, addon)))
}

/** @returns {Map<string, { addon: string, metric: string, count: number }>} by key */
function read (addon) {
  const counts = new Map()
  for (const row of ownRows(addon)) {
    if (row.coverage === 'none') continue
    for (const [metric, count] of Object.entries(METRICS)) {
      const key = `${metric} ${row.name}`
      // An addon may have several environments in one thread.
      const known = counts.get(key)?.count ?? 0
      counts.set(key, { addon: row.name, metric, count: known + count(row) })
    }
  }
  return counts
}

function agree (one, other) {
  if (one.size !== other.size) return false
  for (const [key, { count }] of one) {
    if (other.get(key)?.count !== count) return false
  }
  return true
}

function compare ([before, between, after], iterations, toleranceCount) {
  return [...after].map(([key, { addon, metric, count }]) => {
    const first = before.get(key)?.count ?? 0
    const second = between.get(key)?.count ?? 0
    const blockCounts = [second - first, count - second]
    return { addon, metric, blockCounts, countPerIteration: blockCounts[1] / iterations, toleranceCount, grew: blockCounts[1] > toleranceCount }
  })
}

// Refuses an addon that is not loaded or cannot be counted: a misspelt name, and such an addon, would never grow.
function checkAddon (addon) {
  if (addon === undefined) return
  // Rows of all threads: an addon that is watched again has no row in this thread until it calls Node-API.
  const rows = addons().rows.filter((row) => isAddon(row, addon))
  if (rows.length === 0) throw invalidValue('options.addon', 'the name of an addon that is loaded; the function loaded no addon of this name', addon)
  const uncounted = rows.find(({ coverage }) => coverage === 'none')
  if (uncounted !== undefined) throw new OffheapError('ERR_OFFHEAP_METRIC_UNAVAILABLE', `What ${uncounted.name} holds cannot be counted: ${uncounted.coverageReason}`)
}

/** The counts that grew, one line each. */
function describe ({ iterations, warmup, attempts, figures }) {
  const times = `${iterations} iteration${iterations === 1 ? '' : 's'}`
  const signed = (value) => value < 0 ? String(value) : `+${value}`
  return figures.filter((figure) => figure.grew).map(({ addon, metric, blockCounts: [first, second], countPerIteration, toleranceCount }) =>
    `  ${addon}: ${signed(Number.isInteger(countPerIteration) ? countPerIteration : Number(countPerIteration.toFixed(2)))} ${metric} per iteration` +
    ` (block 1: ${signed(first)}, block 2: ${signed(second)}, of ${times} each; tolerance ${toleranceCount})`
  ).join('\n') + `\n  after ${warmup} calls to warm up, in each of ${attempts} attempts`
}

module.exports = { describe, measureAddonGrowth }
