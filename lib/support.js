'use strict'

// What works on this platform and in this process, and why the rest does not.

const binding = require('./load.js')
const { fromNative } = require('./errors.js')
const { unsupportedReason } = require('./probe/supported.js')

const NOT_IN_THIS_VERSION = 'this version of offheap does not have it'

/** @returns {import('../index.js').Support} */
function support () {
  const resident = fromNative(() => binding.residentSupport())
  return {
    platform: platform(),
    node: process.version,
    probe: capability(unsupportedReason()),
    interposition: capability(NOT_IN_THIS_VERSION),
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
