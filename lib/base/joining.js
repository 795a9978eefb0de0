'use strict'

const { OffheapError } = require('./errors.js')

/**
 * What a run comes to, for one of those who wait for it. Aborting leaves it to the others; when the last one aborts the
 * run is ended, and that one hears of it when it is over.
 * @template T
 * @param {{ waiting: number, controller: AbortController, result: Promise<T> }} run
 * @param {AbortSignal} [signal]
 * @returns {Promise<T>}
 */
async function joined (run, signal) {
  run.waiting++
  let onAbort
  const aborted = new Promise((resolve, reject) => {
    onAbort = () => {
      run.waiting--
      if (run.waiting === 0) return run.controller.abort(signal.reason)
      reject(new OffheapError('ERR_OFFHEAP_ABORTED', 'The operation was aborted', signal.reason))
    }
    if (signal?.aborted) onAbort()
    else signal?.addEventListener('abort', onAbort, { once: true })
  })
  try {
    return await Promise.race([run.result, aborted])
  } finally {
    signal?.removeEventListener('abort', onAbort)
  }
}

module.exports = { joined }
