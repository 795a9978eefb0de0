'use strict'

// Sums up what each addon holds, over all its environments: for samples, thresholds and pages.

const { addonRows } = require('./addons.js')
const { isWatching } = require('./watch.js')

/** @returns {import('../../index.js').AddonSummary[] | null} null while addons are not watched */
function addonSummary () {
  if (!isWatching()) return null
  const byName = new Map()
  for (const row of addonRows()) {
    const known = byName.get(row.name)
    if (known === undefined) byName.set(row.name, summary(row))
    else byName.set(row.name, sum(known, summary(row)))
  }
  return [...byName.values()]
}

function summary (row) {
  const counted = row.coverage !== 'none'
  return {
    name: row.name,
    references: { liveCount: row.references.liveCount, outlivedCount: row.references.outlivedCount },
    externalBytes: counted ? externalBytes(row) : null,
    adjustedExternalBytes: counted ? row.adjustedExternalBytes : null
  }
}

/** Bytes of the addon's own memory that it handed to JavaScript. */
function externalBytes ({ externalArrayBuffers, externalBuffers, externalSharedArrayBuffers, externalStrings }) {
  return externalArrayBuffers.liveBytes + externalBuffers.liveBytes + externalSharedArrayBuffers.liveBytes + externalStrings.liveBytes
}

// A figure that cannot be counted in one environment is unknown for the whole addon.
function sum (one, other) {
  const add = (a, b) => a === null || b === null ? null : a + b
  return {
    name: one.name,
    references: {
      liveCount: add(one.references.liveCount, other.references.liveCount),
      outlivedCount: add(one.references.outlivedCount, other.references.outlivedCount)
    },
    externalBytes: add(one.externalBytes, other.externalBytes),
    adjustedExternalBytes: add(one.adjustedExternalBytes, other.adjustedExternalBytes)
  }
}

module.exports = { addonSummary, externalBytes }
