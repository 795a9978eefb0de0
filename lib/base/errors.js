'use strict'

// Makes every error that offheap throws, in JavaScript, so that `instanceof` works in every realm (jest runs each test file in a realm
// of its own). Codes are permanent. src/base/error.rs lists them, and docs/errors.md explains them.

/** An error with one of offheap's own codes, ERR_OFFHEAP_…. */
class OffheapError extends Error {
  /**
   * @param {string} code permanent, listed in docs/errors.md
   * @param {string} message fact, value, remedy
   * @param {unknown} [cause] the error that caused this one
   */
  constructor (code, message, cause) {
    super(message, cause === undefined ? undefined : { cause })
    this.code = code
  }
}
Object.defineProperty(OffheapError.prototype, 'name', { value: 'OffheapError', configurable: true, writable: true })

/** An error for a wrong argument, with Node's own class and code. */
function argumentError (Base, code, message) {
  const error = new Base(message)
  error.code = code
  return error
}

/**
 * Calls the native binding. Rebuilds an error that it throws as an error of this realm.
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

/**
 * The message of anything that was thrown. Never throws: a program can throw a Symbol, an object without prototype, or one whose getter throws.
 * @param {unknown} error
 * @returns {string}
 */
function messageOf (error) {
  try {
    return String(error?.message ?? error)
  } catch {
    return 'a value without a message'
  }
}

/** Rebuilds an error of the native binding as an error of this realm. */
function rebuild (error) {
  const code = error?.code
  if (typeof code === 'string' && code.startsWith('ERR_OFFHEAP_')) return new OffheapError(code, error.message)
  if (error?.name === 'AbortError' || code === 'Cancelled' || code === 'ABORT_ERR') {
    return new OffheapError('ERR_OFFHEAP_ABORTED', 'The operation was aborted')
  }
  return new OffheapError('ERR_OFFHEAP_INTERNAL', `Internal error in offheap, please report it: ${messageOf(error)}`, error)
}

module.exports = { OffheapError, argumentError, fromNative, messageOf, rebuild }
