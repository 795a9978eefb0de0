'use strict'

const { abortedBy, onAbort } = require('./abort.js')

/**
 * The result of a run, for one of several callers that wait for it. When a caller aborts, the run continues for the others. When the last
 * caller aborts, the run is aborted, and that caller gets the error when the run has ended.
 * @template T
 * @param {{ waiting: number, controller: AbortController, result: Promise<T> }} run
 * @param {AbortSignal} [signal]
 * @returns {Promise<T>}
 */
async function joined (run, signal) {
  run.waiting++
  let ignoreAbort
  const aborted = new Promise((resolve, reject) => {
    ignoreAbort = onAbort(signal, () => {
      run.waiting--
      if (run.waiting === 0) return run.controller.abort(signal.reason)
      reject(abortedBy(signal))
    })
  })
  try {
    return await Promise.race([run.result, aborted])
  } finally {
    ignoreAbort()
  }
}

module.exports = { joined }
