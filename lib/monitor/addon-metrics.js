'use strict'

// The metrics about addons. They are computed from the addon summary of a sample, for one addon or for all addons.

const { isAddon } = require('../addons/name.js')

/** Live references. */
function liveReferences ({ addons }, addon) {
  return total(addons, addon, ({ references }) => references.liveCount)
}

/** Bytes that addons handed to JavaScript or declared to V8. Of each addon at least 0, also when it took back more than it declared. */
function addonExternalBytes ({ addons }, addon) {
  return total(addons, addon, ({ externalBytes, adjustedExternalBytes }) =>
    externalBytes === null || adjustedExternalBytes === null ? null : Math.max(0, externalBytes + adjustedExternalBytes))
}

/** The sum over the addons. 0 for an addon that is not loaded yet; `null` for one that cannot be counted. */
function total (addons, addon, read) {
  if (addons === null) return null
  let sum = 0
  for (const each of addons) {
    // A summary has names only. The name of an addon without a package is that of its file.
    if (addon !== null && !isAddon({ name: each.name, file: each.name }, addon)) continue
    const value = read(each)
    if (value === null && addon !== null) return null
    sum += value ?? 0
  }
  return sum
}

module.exports = { addonExternalBytes, liveReferences }
