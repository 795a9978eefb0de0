'use strict'

// How much memory a census takes in its child.

const v8 = require('node:v8')
const snapshot = require('../../probe/estimate.js')

/** What every census takes. */
const BASE_BYTES = 32 * 2 ** 20
/** Pages of the heap that the collection writes to, and a list entry and a handle for each object. */
const FACTOR = 2

/** @param {{ retainers: boolean }} options */
function expectedBytes ({ retainers }) {
  const { used_heap_size: used } = v8.getHeapStatistics()
  const plain = Math.round(BASE_BYTES + used * FACTOR)
  return retainers ? plain + snapshot.expectedBytes(snapshot.smallObjects()) : plain
}

module.exports = { expectedBytes }
