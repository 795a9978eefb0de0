'use strict'

// What works on this platform and in this process, and why the rest does not.

const binding = require('./load.js')
const { fromNative } = require('./errors.js')
const addons = require('./addons/supported.js')
const probe = require('./probe/supported.js')

/** @returns {import('../index.js').Support} */
function support () {
  const resident = fromNative(() => binding.residentSupport())
  return {
    platform: platform(),
    node: process.version,
    probe: capability(probe.unsupportedReason()),
    interposition: capability(addons.refusedReason()),
    cgroup: { ...capability(resident.cgroup), version: resident.cgroupVersion ?? null },
    residentBreakdown: capability(resident.breakdown),
    trim: capability(resident.trim)
  }
}

/** @param {string | undefined | null} reason why it is not available */
function capability (reason) {
  return { available: reason === undefined || reason === null, reason: reason ?? null }
}

function platform () {
  const { platform, arch } = process
  return platform === 'linux' ? `linux-${arch}-${binding.cLibrary()}` : `${platform}-${arch}`
}

module.exports = { support }
