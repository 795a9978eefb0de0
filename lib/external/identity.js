'use strict'

// Identifies a value that was tracked before.
//
// - A view with its own place in memory is identified by its address, on the native side. Almost every Buffer is such a view.
// - Any other value is identified by the engine, on the native side as well, with the number that a WeakMap uses.
// - Where the engine is not a known one, a ticket replaces it. An object has its ticket in a private field, which no other code can see. A view has
//   it in a WeakMap, which costs five times as much; so does an object that accepts no field. With a private field, a Buffer would get another
//   hidden class than other Buffers, and this would slow down the host's own code.

const { findDetached, findObject, findTicket, findView, threadState } = require('../base/load.js')

const { viewTickets, objectTicket, setObjectTicket } = threadState

// A typed array of up to this many bytes may be inside V8's heap. Reading its address would make V8 move it out.
const MAX_ON_HEAP_BYTES = 64

/** The record of a value; undefined when it is not tracked, or waits in the pending batch. */
function recordOf (value) {
  return ArrayBuffer.isView(value) ? recordOfView(value) : recordByIdentity(value)
}

/** The record of a value that its address does not identify. */
function recordByIdentity (value) {
  if (threadState.byEngine !== 0) return threadState.engineWasAsked ? findObject(value) : undefined
  const ticket = ArrayBuffer.isView(value) ? viewTickets.get(value) : ticketOf(value)
  return ticket === undefined || ticket === 0 ? undefined : findTicket(ticket)
}

function recordOfView (view) {
  const byteLength = byteLengthOf(view)
  const known = hasOwnAddress(view, byteLength) ? findView(view) : undefined
  return known ?? recordByIdentity(view) ?? recordOfDetached(view, byteLength)
}

/** A view may have been tracked by its address before its ArrayBuffer was transferred. */
function recordOfDetached (view, byteLength) {
  return byteLength === 0 && isDetached(view.buffer) ? findDetached(view) : undefined
}

/** Whether the address of this view tells it from others. */
function hasAddress (view, byteLength) {
  return hasOwnAddress(view, byteLength) && !(threadState.viewsByIdentity && recordByIdentity(view) !== undefined)
}

/** Whether a value that has no address got a ticket: then it may be known already. */
function hasTicket (value) {
  if (threadState.byEngine !== 0) return false
  return ArrayBuffer.isView(value) ? viewTickets.has(value) : ticketOf(value) !== 0
}

/**
 * The ticket that a view waits with until it is counted; its address does not tell it from others.
 * @returns {number}
 */
function identifyView (view) {
  if (threadState.byEngine !== 0) return askEngine()
  const ticket = threadState.nextTicket++
  viewTickets.set(view, ticket)
  return ticket
}

/** The same for an object. */
function identifyObject (object) {
  if (threadState.byEngine !== 0) return askEngine()
  const ticket = threadState.nextTicket++
  try {
    setObjectTicket(object, ticket)
  } catch {
    // Newer engines refuse private fields on objects that are not extensible.
    threadState.objectsWithoutField = true
    viewTickets.set(object, ticket)
  }
  return ticket
}

function askEngine () {
  threadState.engineWasAsked = true
  return threadState.byEngine
}

/** The ticket of a value that is no view; 0 when it has no ticket. */
function ticketOf (object) {
  const ticket = objectTicket(object)
  if (ticket !== undefined) return ticket
  return threadState.objectsWithoutField ? viewTickets.get(object) ?? 0 : 0
}

/** A value that is not tracked any more needs no ticket. */
function forget (value) {
  if (threadState.byEngine !== 0) return
  viewTickets.delete(value)
  if (!ArrayBuffer.isView(value) && ticketOf(value) !== 0) setObjectTicket(value, 0)
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

module.exports = { byteLengthOf, forget, hasAddress, hasTicket, identifyObject, identifyView, recordByIdentity, recordOf }
