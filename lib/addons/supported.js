'use strict'

// Whether addons can be watched in this process. Decided by what is running, not by version numbers: the native side looks
// for the slot that it would have to write.

const binding = require('../base/load.js')
const { fromNative } = require('../base/errors.js')

let reason

/** Why addons cannot be watched in such a process, or null. */
function unsupportedReason () {
  if (reason === undefined) reason = foreignRuntime() ?? fromNative(() => binding.watchUnsupportedReason()) ?? null
  return reason
}

/** Who is in the way here and now, or null: another tool, or another copy of offheap, that has redirected `dlopen`. */
function refusedReason () {
  return unsupportedReason() ?? fromNative(() => binding.watchRefusedReason()) ?? null
}

/** Others offer Node-API as well, but lead addons to it in another way. */
function foreignRuntime () {
  const { bun, deno, electron } = process.versions
  if (bun !== undefined) return `this is Bun ${bun}, and interposition is known to work only in Node`
  if (deno !== undefined) return `this is Deno ${deno}, and interposition is known to work only in Node`
  if (electron !== undefined) return `this is Electron ${electron}, and interposition is known to work only in Node`
}

module.exports = { refusedReason, unsupportedReason }
