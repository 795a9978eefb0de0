'use strict'

// Whether there can be a probe in this process. The native side decides: it looks for the import slots that it would have to write,
// not at version numbers.

const { foreignRuntime } = require('../base/foreign-runtime.js')
const binding = require('../base/load.js')

let reason

/** Why no probe is possible here, or null. */
function unsupportedReason () {
  if (reason === undefined) reason = foreignRuntime('the probe') ?? foreignFlags() ?? binding.probeUnsupportedReason() ?? null
  return reason
}

/** Flags with which every child failed. */
function foreignFlags () {
  const [node] = process.versions.node.split('.').map(Number)
  if (node >= 26) return undefined
  const flags = [...process.execArgv, ...(process.env.NODE_OPTIONS ?? '').split(/\s+/)].map((flag) => flag.replaceAll('_', '-'))
  const shared = flags.find((flag) => flag === '--shared-string-table' || flag === '--harmony-struct')
  if (shared !== undefined) return `with ${shared} V8 before Node 26 stops at a check of its own when a forked child walks the heap`
  const large = flags.find((flag) => /^--use-largepages=(on|silent)$/.test(flag))
  if (large !== undefined && node < 24) return `with ${large} Node ${node} moves its code, and V8's threads cannot be told by it`
}

module.exports = { unsupportedReason }
