'use strict'

// Whether addons can be watched in this process. Decided by what is running, not by version numbers: the native side looks
// for the slot that it would have to write.

const binding = require('../base/load.js')
const { fromNative } = require('../base/errors.js')
const { foreignRuntime } = require('../base/foreign-runtime.js')

let reason

/** Why addons cannot be watched in such a process, or null. */
function unsupportedReason () {
  if (reason === undefined) reason = foreignRuntime('interposition') ?? fromNative(() => binding.watchUnsupportedReason()) ?? null
  return reason
}

/** Who is in the way here and now, or null: another tool, or another copy of offheap, that has redirected `dlopen`. */
function refusedReason () {
  return unsupportedReason() ?? fromNative(() => binding.watchRefusedReason()) ?? null
}

module.exports = { refusedReason, unsupportedReason }
