'use strict'

// Which ArrayBuffers are slabs of the Buffer pool. Node marks a slab as untransferable when it makes it, whatever its
// size: that is asked for, and no size is taken for granted (it differs between Node's lines and follows Buffer.poolSize).

const workerThreads = require('node:worker_threads')

/**
 * The slab that the pool is handing out now. Takes a byte of it, or begins the next slab.
 * @returns {ArrayBuffer}
 */
function currentSlab () {
  return Buffer.allocUnsafe(1).buffer
}

/** Whether Node refuses to transfer an ArrayBuffer to another thread. */
const isUntransferable = workerThreads.isMarkedAsUntransferable ?? function isUntransferable (buffer) {
  // Node 20 has no such question. What is untransferable is skipped in a list; anything else must not stand in it twice,
  // which is found out before anything is transferred.
  try {
    structuredClone(null, { transfer: [buffer, buffer] })
    return true
  } catch {
    return false
  }
}

module.exports = { currentSlab, isUntransferable }
