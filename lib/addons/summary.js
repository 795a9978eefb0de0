'use strict'

// What an addon holds in a few numbers, over all its environments: for samples, thresholds and pages.

const { addons, isWatching } = require('./addons.js')

/** @returns {import('../../index.js').AddonSummary[] | null} null while nobody watches */
function addonSummary () {
  if (!isWatching()) return null
  const byName = new Map()
  for (const row of addons()) {
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
    liveReferenceCount: counted ? row.references.liveCount : null,
    outlivedReferenceCount: counted ? row.references.outlivedCount : null,
    liveExternalBytes: counted ? externalBytes(row) : null,
    adjustedExternalBytes: counted ? row.adjustedExternalBytes : null
  }
}

/** Bytes of the addon's own that it handed to JavaScript. */
function externalBytes ({ externalArrayBuffers, externalBuffers, externalSharedArrayBuffers, externalStrings }) {
  return externalArrayBuffers.liveBytes + externalBuffers.liveBytes + externalSharedArrayBuffers.liveBytes + externalStrings.liveBytes
}

// What cannot be counted in one environment is not known for the addon either.
function sum (one, other) {
  const total = { name: one.name }
  for (const key of Object.keys(one)) {
    if (key !== 'name') total[key] = one[key] === null || other[key] === null ? null : one[key] + other[key]
  }
  return total
}

module.exports = { addonSummary, externalBytes }
