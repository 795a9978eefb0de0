'use strict'

const { abortedBy, onAbort } = require('./abort.js')

/**
 * The result of a run, for one of several callers that wait for it. A caller that aborts leaves the run to the others. When the
 * last caller aborts, the run is ended, and that caller gets its error when the run is over.
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
