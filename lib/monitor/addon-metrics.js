'use strict'

// The metrics that are about addons: read from the summary that a sample carries, of one addon or of all of them.

const { isAddon } = require('../addons/name.js')

/** Live references. */
function liveReferences ({ addons }, addon) {
  return total(addons, addon, ({ references }) => references.liveCount)
}

/** Bytes that were handed to JavaScript or declared to V8. More taken back than declared counts as nothing. */
function addonExternalBytes ({ addons }, addon) {
  return total(addons, addon, ({ externalBytes, adjustedExternalBytes }) =>
    externalBytes === null || adjustedExternalBytes === null ? null : Math.max(0, externalBytes + adjustedExternalBytes))
}

/** Of an addon that is not loaded (yet): 0. `null` where it cannot be counted. */
function total (addons, addon, read) {
  if (addons === null) return null
  let sum = 0
  for (const each of addons) {
    // A summary goes by names: of an addon in no package that is its file's.
    if (addon !== null && !isAddon({ name: each.name, file: each.name }, addon)) continue
    const value = read(each)
    if (value === null && addon !== null) return null
    sum += value ?? 0
  }
  return sum
}

module.exports = { addonExternalBytes, liveReferences }
