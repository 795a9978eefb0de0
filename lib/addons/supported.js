'use strict'

// Says whether addons can be watched in this process. The native side decides this: it looks for the import slot that it would have to
// write. Version numbers do not matter.

const binding = require('../base/load.js')
const { fromNative } = require('../base/errors.js')
const { foreignRuntime } = require('../base/foreign-runtime.js')

let reason

/** Why addons can never be watched in this process, or null. */
function unsupportedReason () {
  if (reason === undefined) reason = foreignRuntime('interposition') ?? fromNative(() => binding.watchUnsupportedReason()) ?? null
  return reason
}

/**
 * Why addons cannot be watched at this moment, or null. Another tool, or another copy of offheap, may have redirected `dlopen`. It may also
 * undo that.
 */
function refusedReason () {
  return unsupportedReason() ?? fromNative(() => binding.watchRefusedReason()) ?? null
}

module.exports = { refusedReason, unsupportedReason }
