'use strict'

// Makes an abort of the service wait for the child that writes its snapshot (src/probe/delay_abort.rs). A service with a full heap aborts,
// and otherwise its abort would also end the child that writes the snapshot of that heap.

const { isMainThread } = require('../../base/thread.js')
const binding = require('../../base/load.js')
const { unsupportedReason } = require('../../probe/supported.js')

/**
 * @param {{ delayAbortMs: number, mode: string, report: boolean | 'only' }} settings
 * @param {{ file: string, temporaryPath: string }} destination
 * @returns {() => void} ends this; the caller calls it when the file has its name or was removed
 */
function delayAbort ({ delayAbortMs, mode, report }, { file, temporaryPath }) {
  // A worker's full heap ends the worker, not the process. With 'only' no snapshot may stay, and an aborted process makes no report.
  const delays = delayAbortMs > 0 && isMainThread && mode !== 'in-process' && report !== 'only' && unsupportedReason() === null &&
    binding.probeDelayAbortBegin(temporaryPath, file, delayAbortMs)
  return delays ? binding.probeDelayAbortEnd : () => {}
}

module.exports = { delayAbort }
