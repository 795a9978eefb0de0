'use strict'

// Estimates the memory that a census takes in its child.

const v8 = require('node:v8')
const snapshot = require('../../probe/estimate.js')

/** The memory of every census. */
const BASE_BYTES = 32 * 2 ** 20
/** Times the used heap: the garbage collection writes to its pages, and each object needs a list entry and a handle. */
const FACTOR = 2

/** @param {{ retainers: boolean }} options */
function expectedBytes ({ retainers }) {
  const { used_heap_size: used } = v8.getHeapStatistics()
  const plain = Math.round(BASE_BYTES + used * FACTOR)
  return retainers ? plain + snapshot.expectedBytes(snapshot.smallObjects()) : plain
}

module.exports = { expectedBytes }
