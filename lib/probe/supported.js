'use strict'

// Whether there can be a probe in this process. Decided by what is running, not by version numbers: the native side
// looks for the slots that it would have to write.

const binding = require('../load.js')

let reason

/** Why no probe is possible here, or null. */
function unsupportedReason () {
  if (reason === undefined) reason = foreignRuntime() ?? binding.probeUnsupportedReason() ?? null
  return reason
}

/** Others offer Node-API as well, but run another engine, or V8 built and driven in another way. */
function foreignRuntime () {
  const { bun, deno, electron } = process.versions
  if (bun !== undefined) return `this is Bun ${bun}, and the probe is known to work only in Node`
  if (deno !== undefined) return `this is Deno ${deno}, and the probe is known to work only in Node`
  if (electron !== undefined) return `this is Electron ${electron}, and the probe is known to work only in Node`
}

module.exports = { unsupportedReason }
