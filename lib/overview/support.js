'use strict'

// Says which features work on this platform and in this process, and why the others do not work.

const binding = require('../base/load.js')
const { fromNative } = require('../base/errors.js')
const addons = require('../addons/supported.js')
const { ownReferences } = require('../external/external-allocations.js')
const probe = require('../probe/supported.js')

/** @returns {import('../../index.js').Support} */
function support () {
  const { loadFailure } = binding
  if (loadFailure !== undefined) return unsupported(loadFailure)
  const resident = fromNative(() => binding.residentSupport())
  return {
    platform: platform(),
    node: process.version,
    probe: capability(probe.unsupportedReason()),
    watchAddons: capability(addons.refusedReason()),
    cgroup: { ...capability(resident.cgroup), version: resident.cgroupVersion ?? null },
    residentBreakdown: capability(resident.breakdown),
    trim: capability(resident.trim),
    ownReferences: ownReferences()
  }
}

/** Without the binding no feature works. All have the same reason. */
function unsupported (reason) {
  const nothing = capability(reason)
  return {
    platform: `${process.platform}-${process.arch}`,
    node: process.version,
    probe: nothing,
    watchAddons: nothing,
    cgroup: { ...nothing, version: null },
    residentBreakdown: nothing,
    trim: nothing,
    ownReferences: null
  }
}

/** @param {string | undefined | null} reason why the feature is not available; null or undefined when it is available */
function capability (reason) {
  return { available: reason === undefined || reason === null, reason: reason ?? null }
}

function platform () {
  const { platform, arch } = process
  return platform === 'linux' ? `linux-${arch}-${binding.cLibrary()}` : `${platform}-${arch}`
}

module.exports = { support }
