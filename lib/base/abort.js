'use strict'

// One rule for every AbortSignal: the operation fails with ERR_OFFHEAP_ABORTED. The error's cause is the signal's reason.

const { OffheapError } = require('./errors.js')

/**
 * The error for an operation that this signal aborted.
 * @param {AbortSignal} signal
 */
function abortedBy (signal) {
  return new OffheapError('ERR_OFFHEAP_ABORTED', 'The operation was aborted', signal.reason)
}

/** @param {AbortSignal} [signal] */
function throwIfAborted (signal) {
  if (signal?.aborted) throw abortedBy(signal)
}

/**
 * Calls `listener` once, when the signal aborts. Calls it at once when the signal is aborted already.
 * @param {AbortSignal | undefined} signal
 * @param {() => void} listener
 * @returns {() => void} removes the listener; otherwise a signal that lives as long as the process would retain it
 */
function onAbort (signal, listener) {
  if (signal?.aborted) listener()
  else signal?.addEventListener('abort', listener, { once: true })
  return () => signal?.removeEventListener('abort', listener)
}

module.exports = { abortedBy, onAbort, throwIfAborted }
