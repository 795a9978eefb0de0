'use strict'

// What runs in the probe's child, and only there: it calls one synchronous function, sends the result through the pipe, and ends.
// The child changes only its own copy of the process object, never the service's.

const { isNativeError } = require('node:util/types')
const binding = require('../base/load.js')
const v8 = require('../base/v8.js')

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

/** Each property by itself: the service may have frozen its process object, or one property. The native side ends a child as well. */
function becomeChild () {
  // The service's exit handlers must not run here: the service is still alive.
  for (const name of ['exit', 'reallyExit']) Reflect.set(process, name, () => binding.probeChildExitCalled())
  Reflect.set(process, 'abort', () => {
    refuse('The function called process.abort() in the probe\'s child, which has nothing to return then')
    binding.probeChildDone()
  })
  // Node remembers the pid that it started with, which is the service's.
  Reflect.defineProperty(process, 'pid', { value: binding.probeChildPid(), configurable: true, enumerable: true })
  // A child that runs out of heap is not a failure of the service. `process.report` is loaded only where the service asked for reports.
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
    bytes = v8().serialize(value)
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
 * An error is described, not cloned: the parent makes a new one in the caller's realm, where `instanceof` holds, with the same
 * properties (most of all `code`). Anything else that was thrown is cloned.
 */
function sayThrown (thrown) {
  let message
  // On Node 20 a DOMException is no native error.
  if (isNativeError(thrown) || (typeof DOMException === 'function' && thrown instanceof DOMException)) {
    const properties = {}
    for (const key of Object.keys(thrown)) {
      const value = read(() => thrown[key])
      if (isCloneable(value)) properties[key] = value
    }
    const text = (key) => read(() => String(thrown[key])) ?? ''
    message = { error: { name: text('name'), message: text('message'), stack: text('stack'), properties } }
  } else {
    message = isCloneable(thrown) ? { value: thrown } : { value: String(thrown) }
  }
  binding.probeChildSay('thrown', v8().serialize(message))
}

/** A property of an error may be a getter of the program's that throws. */
function read (property) {
  try {
    return property()
  } catch {
    return undefined
  }
}

function isCloneable (value) {
  try {
    v8().serialize(value)
    return true
  } catch {
    return false
  }
}

module.exports = { inChild }
