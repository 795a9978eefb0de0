'use strict'

// Every error that offheap hands out is made here, in JavaScript, so that `instanceof` holds in every realm (jest
// runs each test file in one of its own). Codes are permanent; src/base/error.rs lists them and docs/errors.md explains them.

/** An error with one of offheap's own codes, ERR_OFFHEAP_…. */
class OffheapError extends Error {
  /**
   * @param {string} code permanent, listed in docs/errors.md
   * @param {string} message fact, value, remedy
   * @param {unknown} [cause] the error behind this one
   */
  constructor (code, message, cause) {
    super(message, cause === undefined ? undefined : { cause })
    this.code = code
  }
}
Object.defineProperty(OffheapError.prototype, 'name', { value: 'OffheapError', configurable: true, writable: true })

/** Node's own codes for wrong arguments, on Node's own classes. */
function argumentError (Base, code, message) {
  const error = new Base(message)
  error.code = code
  return error
}

/**
 * Calls into the native binding and rebuilds what it throws as an error of this realm.
 * @template T
 * @param {() => T} call
 * @returns {T}
 */
function fromNative (call) {
  try {
    return call()
  } catch (error) {
    throw rebuild(error)
  }
}

/** The error of this realm for one that the native binding threw or rejected with. */
function rebuild (error) {
  const code = error?.code
  if (typeof code === 'string' && code.startsWith('ERR_OFFHEAP_')) return new OffheapError(code, error.message)
  if (error?.name === 'AbortError' || code === 'Cancelled' || code === 'ABORT_ERR') {
    return new OffheapError('ERR_OFFHEAP_ABORTED', 'The operation was aborted')
  }
  return new OffheapError('ERR_OFFHEAP_INTERNAL', `Internal error in offheap, please report it: ${error?.message ?? error}`, error)
}

module.exports = { OffheapError, argumentError, fromNative, rebuild }
