'use strict'

// What runs in the probe's child, and only there: one synchronous call, its result into the pipe, the end.
// Everything that the child changes is its own copy; the service's process object stays as it is.

const { isNativeError } = require('node:util/types')
const v8 = require('node:v8')
const binding = require('../base/load.js')

/**
 * The function that is called in the child.
 * @param {() => unknown} work
 */
function inChild (work) {
  becomeChild()
  let value
  try {
    value = work()
  } catch (error) {
    sayThrown(error)
    binding.probeChildDone()
    return
  }
  if (isThenable(value)) {
    refuse('The function returned a promise, but nothing asynchronous runs in the probe\'s child: return the value itself')
  } else {
    sayValue(value)
  }
  binding.probeChildDone()
}

/** Each by itself: the service may have frozen its process object, or a property of it. The native side ends a child as well. */
function becomeChild () {
  // The service's exit handlers must not run a second time here, with the service still alive.
  for (const name of ['exit', 'reallyExit']) Reflect.set(process, name, () => binding.probeChildExitCalled())
  Reflect.set(process, 'abort', () => {
    refuse('The function called process.abort() in the probe\'s child, which has nothing to return then')
    binding.probeChildDone()
  })
  // Node keeps the number that it started with, and that is the service's.
  Reflect.defineProperty(process, 'pid', { value: binding.probeChildPid(), configurable: true, enumerable: true })
  // A child that runs out of heap is no failure of the service's. Loaded only where the service asked for reports.
  if (process.execArgv.some((flag) => flag.startsWith('--report')) || (process.env.NODE_OPTIONS ?? '').includes('--report')) {
    Reflect.set(process.report, 'reportOnFatalError', false)
  }
}

function isThenable (value) {
  return (typeof value === 'object' || typeof value === 'function') && value !== null && typeof value.then === 'function'
}

function sayValue (value) {
  let bytes
  try {
    bytes = v8.serialize(value)
  } catch (error) {
    refuse(`The function's result cannot be sent from the probe's child: ${error.message}`)
    return
  }
  binding.probeChildSay('value', bytes)
}

function refuse (reason) {
  binding.probeChildSay('refused', Buffer.from(reason))
}

/**
 * An error is described, not cloned: it is made anew in the caller's realm (where `instanceof` holds), with its own
 * properties, of which `code` is worth most. Anything else that was thrown is cloned as it is.
 */
function sayThrown (thrown) {
  let message
  if (isNativeError(thrown)) {
    const properties = {}
    for (const [key, value] of Object.entries(thrown)) {
      if (isCloneable(value)) properties[key] = value
    }
    message = { error: { name: String(thrown.name), message: String(thrown.message), stack: String(thrown.stack), properties } }
  } else {
    message = isCloneable(thrown) ? { value: thrown } : { value: String(thrown) }
  }
  binding.probeChildSay('thrown', v8.serialize(message))
}

function isCloneable (value) {
  try {
    v8.serialize(value)
    return true
  } catch {
    return false
  }
}

module.exports = { inChild }
