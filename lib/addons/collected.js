'use strict'

// Knows whether V8 has collected since an earlier reading everything that was garbage at that reading.
//
// Each reading has a mark that nothing retains. When V8 has collected the mark, a full collection has begun and ended after the reading. The
// mark is a symbol, because V8 allocates symbols in the old generation. An object is allocated in the young generation, and Node 26
// collects it in the next minor collection, even with a WeakRef.

/** The mark of a reading, by each of its rows: callers filter and sort the rows of a reading. */
const marks = new WeakMap()

/** Marks the rows of one reading. */
function mark (rows) {
  const own = new WeakRef(Symbol('offheap.reading'))
  for (const row of rows) marks.set(row, own)
}

/** Whether a full collection of this thread has ended since the reading with these rows; null when this thread did not make that reading. */
function collectedSince (rows) {
  const own = marks.get(rows.find((row) => marks.has(row)))
  return own === undefined ? null : own.deref() === undefined
}

module.exports = { collectedSince, mark }
