'use strict'

// Computes the growth of what an addon holds, between two readings.

/** The figures that have growth, by name. */
const HELD = {
  references: (row) => row.references.liveCount,
  wraps: (row) => row.wraps.liveCount,
  externals: (row) => row.externals.liveCount,
  externalBytes: (row) => row.externalArrayBuffers.liveBytes + row.externalBuffers.liveBytes + row.externalSharedArrayBuffers.liveBytes + row.externalStrings.liveBytes,
  adjustedExternalBytes: (row) => row.adjustedExternalBytes,
  finalizers: (row) => row.finalizers.pendingCount,
  threadsafeFunctions: (row) => row.threadsafeFunctions.liveCount,
  deferreds: (row) => row.deferreds.unsettledCount,
  asyncWorks: (row) => row.asyncWorks.liveCount,
  asyncCleanupHooks: (row) => row.asyncCleanupHooks.liveCount
}

/**
 * The growth of one row since an earlier reading. A row that was not in that reading has grown from 0. An environment that has ended since has
 * no row, so it has no growth.
 * @param {boolean} isSameWatch whether both readings are of one watch
 */
function growth (row, since, isSameWatch) {
  // What another watch counted is no part of what this one counts.
  if (row.coverage === 'none' || !isSameWatch) return null
  const before = since.find((earlier) => earlier.id === row.id && earlier.file === row.file && earlier.coverage !== 'none')
  return Object.fromEntries(Object.entries(HELD).map(([name, held]) => [name, held(row) - (before === undefined ? 0 : held(before))]))
}

/** Whether a value is a row of `addons()`, or a copy of one: whatever growth is computed from is a number, or nothing was counted. */
function isRow (value) {
  if (typeof value !== 'object' || value === null || typeof value.file !== 'string' || typeof value.coverage !== 'string') return false
  try {
    return value.coverage === 'none' || Object.values(HELD).every((held) => Number.isFinite(held(value)))
  } catch {
    // A group of figures is missing.
    return false
  }
}

module.exports = { growth, isRow }
