'use strict'

// One rule for every `onProgress`: when it throws, the run continues, and a process warning reports the error.

const { messageOf } = require('./errors.js')
const { warn } = require('./warn.js')

/**
 * A listener that never throws. When `onProgress` throws, it is not called again, and a process warning says so.
 * @template T
 * @param {string} caller the name of the function that `onProgress` was passed to, for the warning
 * @param {(progress: T) => void} onProgress
 * @returns {(progress: T) => void}
 */
function progressListener (caller, onProgress) {
  let isBroken = false
  return (progress) => {
    if (isBroken) return
    try {
      onProgress(progress)
    } catch (error) {
      isBroken = true
      warn(`offheap: onProgress of ${caller}() threw and is not called again: ${messageOf(error)}`, { code: 'ERR_OFFHEAP_LISTENER_FAILED' })
    }
  }
}

module.exports = { progressListener }
