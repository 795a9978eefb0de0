'use strict'

// A service that dies of a full heap aborts, and takes the child with it that is writing the snapshot of that heap. So
// while one is written the abort waits for it: src/probe/delay_abort.rs.

const { isMainThread } = require('node:worker_threads')
const binding = require('../../base/load.js')
const { unsupportedReason } = require('../../probe/supported.js')

/**
 * @param {{ delayAbortMs: number, mode: string, report: boolean | 'only' }} settings
 * @param {{ file: string, temporaryPath: string }} destination
 * @returns {() => void} to be called when the file has its name, or is gone
 */
function delayAbort ({ delayAbortMs, mode, report }, { file, temporaryPath }) {
  // A worker's full heap ends the worker, not the process. With 'only' no snapshot is to be left, and an aborted process
  // makes no report.
  const delays = delayAbortMs > 0 && isMainThread && mode !== 'in-process' && report !== 'only' && unsupportedReason() === null &&
    binding.probeDelayAbortBegin(temporaryPath, file, delayAbortMs)
  return delays ? binding.probeDelayAbortEnd : () => {}
}

module.exports = { delayAbort }
