'use strict'

// From the numbers of src/references/tallies.rs, in their order, to an object.

const NUMBERS = 40

const ZEROS = new Float64Array(NUMBERS)
const NULLS = new Array(NUMBERS).fill(null)

/** @param {ArrayLike<number | null>} n all numbers of one addon; all 0 without */
function figures (n = ZEROS) {
  const things = (at) => ({ liveCount: n[at], totalCount: n[at + 1] })
  const sized = (at) => ({ liveCount: n[at], liveBytes: n[at + 1], totalCount: n[at + 2], totalBytes: n[at + 3] })
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
    buffers: { totalCount: n[24], totalBytes: n[25] },
    arrayBuffers: { totalCount: n[26], totalBytes: n[27] },
    finalizersPending: n[28],
    threadsafeFunctions: things(29),
    deferreds: { unsettledCount: n[31], totalCount: n[32] },
    asyncWorks: things(33),
    asyncCleanupHooks: things(35),
    instanceData: n[37] === null ? null : n[37] === 1,
    adjustedExternalBytes: n[38],
    lowestAdjustedExternalBytes: n[39]
  }
}

/** The same names without a figure: nothing was counted, which is not 0. */
function noFigures () {
  return figures(NULLS)
}

module.exports = { NUMBERS, figures, noFigures }
