'use strict'

// From the numbers of src/addons/figures.rs, in their order, to an object.

const NUMBERS = 48

const ZEROS = new Float64Array(NUMBERS)
const NULLS = new Array(NUMBERS).fill(null)

/**
 * @param {boolean} [endSeen] whether the end of Buffers that Node allocates was looked for
 * @param {ArrayLike<number | null>} [n] all numbers of one addon; all 0 without
 */
function figures (endSeen = false, n = ZEROS) {
  const things = (at) => ({ liveCount: n[at], totalCount: n[at + 1] })
  const sized = (at) => ({ liveCount: n[at], liveBytes: n[at + 1], totalCount: n[at + 2], totalBytes: n[at + 3] })
  const allocated = (at) => endSeen ? sized(at) : { ...sized(at), liveCount: null, liveBytes: null }
  return {
    references: {
      liveCount: n[0],
      strongCount: n[1],
      weakCount: n[2],
      outlivedCount: n[3],
      totalCount: n[4],
      deletedCount: n[5],
      countSum: n[6],
      highestCount: n[7]
    },
    wraps: things(8),
    externals: things(10),
    externalArrayBuffers: sized(12),
    externalBuffers: sized(16),
    externalStrings: sized(20),
    externalSharedArrayBuffers: sized(41),
    buffers: allocated(24),
    arrayBuffers: allocated(28),
    finalizersPending: n[32],
    threadsafeFunctions: things(33),
    deferreds: { unsettledCount: n[35], totalCount: n[36] },
    asyncWorks: things(37),
    asyncCleanupHooks: things(39),
    instanceData: n[45] === null ? null : n[45] === 1,
    adjustedExternalBytes: n[46],
    lowestAdjustedExternalBytes: n[47]
  }
}

/** The same names without a figure: nothing was counted, which is not 0. */
function noFigures () {
  return figures(false, NULLS)
}

module.exports = { NUMBERS, figures, noFigures }
