'use strict'

// A service that dies of a full heap aborts, and takes the child with it that is writing the snapshot of that heap. So
// while one is written the abort waits for it: src/probe/hold.rs.

const { isMainThread } = require('node:worker_threads')
const binding = require('../../base/load.js')
const { unsupportedReason } = require('../../probe/supported.js')

/**
 * @param {{ holdAbortMs: number, mode: string, report: boolean | 'only' }} settings
 * @param {{ path: string, temporaryPath: string }} destination
 * @returns {() => void} to be called when the file has its name, or is gone
 */
function holdAbort ({ holdAbortMs, mode, report }, { path, temporaryPath }) {
  // A worker's full heap ends the worker, not the process. With 'only' no snapshot is to be left, and an aborted process
  // makes no report.
  const holds = holdAbortMs > 0 && isMainThread && mode !== 'in-process' && report !== 'only' && unsupportedReason() === null &&
    binding.probeHoldBegin(temporaryPath, path, holdAbortMs)
  return holds ? binding.probeHoldEnd : () => {}
}

module.exports = { holdAbort }
