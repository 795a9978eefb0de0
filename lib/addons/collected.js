'use strict'

// Whether all that was garbage at an earlier reading has been collected since.
//
// Each reading has a mark that nothing holds: when it is gone, a full collection has begun and ended after the reading. It is a symbol
// because V8 makes those in the old generation. An object begins in the young one, and Node 26 takes it with the next minor collection,
// WeakRef or not.

/** The mark of the reading that a row is of, by the row: readings are filtered and sorted. */
const marks = new WeakMap()

/** Marks the rows of one reading. */
function mark (rows) {
  const own = new WeakRef(Symbol('offheap.reading'))
  for (const row of rows) marks.set(row, own)
}

/** Whether a full collection of this thread has been done since the reading; null when it is none of this thread. */
function collectedSince (reading) {
  const own = marks.get(reading.find((row) => marks.has(row)))
  return own === undefined ? null : own.deref() === undefined
}

module.exports = { collectedSince, mark }
