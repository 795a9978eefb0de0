'use strict'

// What an AbortSignal ends, ends in the same way everywhere: with ERR_OFFHEAP_ABORTED, whose cause is the signal's reason.

const { OffheapError } = require('./errors.js')

/**
 * The error of an operation that this signal has ended.
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
 * Calls `listener` once, when the signal aborts; at once where it has aborted already.
 * @param {AbortSignal | undefined} signal
 * @param {() => void} listener
 * @returns {() => void} removes the listener: a signal may live as long as the process, and would keep it
 */
function onAbort (signal, listener) {
  if (signal?.aborted) listener()
  else signal?.addEventListener('abort', listener, { once: true })
  return () => signal?.removeEventListener('abort', listener)
}

module.exports = { abortedBy, onAbort, throwIfAborted }
