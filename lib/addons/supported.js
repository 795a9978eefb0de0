'use strict'

// Whether addons can be watched in this process. Decided by what is running, not by version numbers: the native side looks
// for the slot that it would have to write.

const binding = require('../load.js')
const { fromNative } = require('../errors.js')

/** Why addons cannot be watched here, or null. Asked anew each time: another copy of offheap may come and go. */
function unsupportedReason () {
  return foreignRuntime() ?? fromNative(() => binding.watchUnsupportedReason()) ?? null
}

/** Others offer Node-API as well, but lead addons to it in another way. */
function foreignRuntime () {
  const { bun, deno, electron } = process.versions
  if (bun !== undefined) return `this is Bun ${bun}, and interposition is known to work only in Node`
  if (deno !== undefined) return `this is Deno ${deno}, and interposition is known to work only in Node`
  if (electron !== undefined) return `this is Electron ${electron}, and interposition is known to work only in Node`
}

module.exports = { unsupportedReason }
