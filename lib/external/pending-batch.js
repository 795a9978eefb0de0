'use strict'

// Values that track() was called with, on their way to the native side in batches.
//
// A call into native code costs a third of what FinalizationRegistry.prototype.register does altogether; passing 64 values
// with one call, as its arguments, costs next to nothing for each. Values wait here, held, until the batch is full, until they
// stand for a MiB, until somebody reads or changes a tally, or until the end of the current job at the latest:
// no longer than `new WeakRef(value)` holds its target.
//
// All copies of this file on a thread (jest has one per test file) have one batch together, so that none reads too little.

const { threadState, trackBatch } = require('../base/load.js')
const { identifyView } = require('./identity.js')

const { bytes, keys, tickets, values } = threadState
// The addon has made the arrays as long as the batch is that it takes (src/external/pending_batch.rs).
const CAPACITY = values.length
const MAX_HELD_BYTES = 2 ** 20

// Where in `bytes` the number of values is, so that the addon knows it too: it counts what is left when a worker is terminated.
const COUNT = CAPACITY

// What the native side writes in the place of a ticket: the address of this view cannot tell it from others, because there are too many values at
// it, or because its ArrayBuffer was detached since.
const REFUSED = -1

const currentJob = Promise.resolve()

/**
 * @param {object} value
 * @param {number} byteLength
 * @param {number} key the label in the low 16 bits, the route above
 * @param {number} ticket what identifies the value; 0 for a view that its address identifies
 */
function push (value, byteLength, key, ticket) {
  const index = bytes[COUNT]
  values[index] = value
  bytes[index] = byteLength
  keys[index] = key
  tickets[index] = ticket
  bytes[COUNT] = index + 1
  threadState.heldBytes += byteLength
  if (index + 1 === CAPACITY || threadState.heldBytes > MAX_HELD_BYTES) flush()
  else if (!threadState.scheduled) schedule()
}

function schedule () {
  threadState.scheduled = true
  currentJob.then(flushAtEndOfJob)
}

function flushAtEndOfJob () {
  threadState.scheduled = false
  try {
    flush()
  } catch {
    // Out of a promise it would be an unhandled rejection, which ends the host. What was not counted stays uncounted.
  }
}

function flush () {
  const count = bytes[COUNT]
  if (count === 0) return
  threadState.heldBytes = 0
  // A request often tracks one value. Passing all places of the batch would cost three times as much then.
  const undecided = count === 1 ? trackBatch(values[0]) : Reflect.apply(trackBatch, undefined, values)
  if (undecided !== undefined) retryByIdentity(count)
  bytes[COUNT] = 0
  if (count === 1) values[0] = undefined
  else values.fill(undefined, 0, count)
}

function retryByIdentity (count) {
  let retried = 0
  for (let index = 0; index < count; index++) {
    if (tickets[index] !== REFUSED) continue
    const value = values[index]
    const ticket = identifyView(value)
    threadState.viewsByIdentity = true
    values[retried] = value
    bytes[retried] = bytes[index]
    keys[retried] = keys[index]
    tickets[retried] = ticket
    retried++
  }
  bytes[COUNT] = retried
  Reflect.apply(trackBatch, undefined, values)
}

module.exports = { flush, push }
