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
 */
function growth (row, since) {
  if (row.coverage === 'none') return null
  const before = since.find((earlier) => earlier.id === row.id && earlier.file === row.file && earlier.coverage !== 'none')
  return Object.fromEntries(Object.entries(HELD).map(([name, held]) => [name, held(row) - (before === undefined ? 0 : held(before))]))
}

function isRow (value) {
  return typeof value === 'object' && value !== null && typeof value.file === 'string' && typeof value.coverage === 'string' && typeof value.references === 'object'
}

module.exports = { growth, isRow }
