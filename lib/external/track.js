'use strict'

// track() and untrack(): they check arguments, and identify a value that was tracked before.
//
// - A view with its own place in memory is identified by its address, on the native side. Almost every Buffer is such a view.
// - Any other value is identified by a ticket. An object has its ticket in a private field, which no other code can see. A view has it in a
//   WeakMap, which costs five times as much; so does an object that accepts no field. With a private field, a Buffer would get another
//   hidden class than other Buffers, and this would slow down the host's own code.

const { isAnyArrayBuffer } = require('node:util').types

const { changeRecord, findDetached, findTicket, findView, loadFailure, releaseRecord, threadState } = require('../base/load.js')
const { labelKey } = require('./label.js')
const { flush, push } = require('./pending-batch.js')
const { enclosingRoute } = require('./route-context.js')
const { bytes } = require('../base/units.js')
const { invalidType, options: checkOptions } = require('../base/validate.js')

const { viewTickets, objectTicket, setObjectTicket } = threadState

// A typed array of up to this many bytes may be inside V8's heap. Reading its address would make V8 move it out.
const MAX_ON_HEAP_BYTES = 64

const ANY_SIZE = { min: 0 }

function track (value, options) {
  let label = 0
  let byteLength = -1
  if (options !== undefined) {
    checkNames(options)
    if (options.label !== undefined) label = labelKey('options.label', options.label)
    if (options.byteLength !== undefined) byteLength = bytes('options.byteLength', options.byteLength, ANY_SIZE)
  }

  let ticket = 0
  if (ArrayBuffer.isView(value)) {
    const viewBytes = byteLengthOf(value)
    if (byteLength === -1) byteLength = viewBytes
    if (!hasOwnAddress(value, viewBytes) || (threadState.viewsByIdentity && viewTickets.has(value))) {
      const known = recordOfView(value)
      if (known !== undefined) return change(value, known, byteLength, label)
      ticket = threadState.nextTicket++
      viewTickets.set(value, ticket)
    }
  } else {
    if (byteLength === -1) byteLength = implicitByteLength(value)
    else if (!isObject(value)) throw invalidType('value', 'an object', value)
    const known = ticketOf(value)
    if (known !== 0) return change(value, recordOfTicket(known), byteLength, label)
    ticket = threadState.nextTicket++
    setTicket(value, ticket)
  }

  const route = enclosingRoute()
  const routeKey = route === undefined ? 0 : route.key()
  push(value, byteLength, routeKey * 65536 + label, ticket)
  if (route !== undefined && routeKey === 0) {
    flush()
    route.defer(ticket === 0 ? findView(value) : findTicket(ticket))
  }
  return value
}

function change (value, id, byteLength, label) {
  if (id !== undefined) changeRecord(id, byteLength, label === 0 ? -1 : label, -1)
  return value
}

function untrack (value) {
  if (!isObject(value)) throw invalidType('value', 'an object', value)
  flush()
  let id
  if (ArrayBuffer.isView(value)) {
    id = recordOfView(value)
    viewTickets.delete(value)
  } else {
    const ticket = ticketOf(value)
    if (ticket !== 0) {
      id = findTicket(ticket)
      setTicket(value, 0)
    }
  }
  return id !== undefined && releaseRecord(id)
}

/** The record of a view that is tracked already. */
function recordOfView (view) {
  flush()
  const ticket = viewTickets.get(view)
  if (ticket !== undefined) return findTicket(ticket)
  const byteLength = byteLengthOf(view)
  if (hasOwnAddress(view, byteLength)) return findView(view)
  // It may have been tracked by its address before its ArrayBuffer was transferred.
  return byteLength === 0 && isDetached(view.buffer) ? findDetached(view) : undefined
}

function recordOfTicket (ticket) {
  flush()
  return findTicket(ticket)
}

/** The ticket of a value that is no view; 0 when it has no ticket. */
function ticketOf (value) {
  const ticket = objectTicket(value)
  if (ticket !== undefined) return ticket
  return threadState.objectsWithoutField ? viewTickets.get(value) ?? 0 : 0
}

function setTicket (value, ticket) {
  try {
    setObjectTicket(value, ticket)
  } catch {
    // Newer engines refuse private fields on objects that are not extensible.
    threadState.objectsWithoutField = true
    viewTickets.set(value, ticket)
  }
}

function hasOwnAddress (view, byteLength) {
  return byteLength > MAX_ON_HEAP_BYTES || (byteLength > 0 && view.byteOffset > 0)
}

function byteLengthOf (view) {
  try {
    return view.byteLength
  } catch {
    // A DataView, unlike a typed array, throws when its ArrayBuffer is detached.
    return 0
  }
}

// Node 20 lacks ArrayBuffer.prototype.detached.
function isDetached (buffer) {
  if (buffer.byteLength !== 0) return false
  try {
    return new Uint8Array(buffer) === undefined
  } catch {
    return true
  }
}

function implicitByteLength (value) {
  if (isAnyArrayBuffer(value)) return value.byteLength
  if (!isObject(value)) throw invalidType('value', 'an object', value)
  throw invalidType('options.byteLength', 'a number of bytes, which a value that is no buffer needs', undefined)
}

function isObject (value) {
  return (typeof value === 'object' && value !== null) || typeof value === 'function'
}

// Runs on every call, so it only loops over the names. The full check runs when a name is unknown.
function checkNames (options) {
  if (typeof options !== 'object' || options === null) checkOptions('options', options, [])
  for (const name in options) {
    if (name !== 'label' && name !== 'byteLength') checkOptions('options', options, ['label', 'byteLength'])
  }
}

// track() runs in the request path. So without the binding it counts nothing and does not fail. externalAllocations() throws the reason.
function passThrough (value, options) {
  if (options !== undefined) checkNames(options)
  if (options?.byteLength !== undefined) bytes('options.byteLength', options.byteLength, ANY_SIZE)
  else if (!ArrayBuffer.isView(value)) implicitByteLength(value)
  if (!isObject(value)) throw invalidType('value', 'an object', value)
  return value
}

module.exports = loadFailure === undefined ? { track, untrack } : { track: passThrough, untrack: () => false }
