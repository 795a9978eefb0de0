'use strict'

// Knows which ArrayBuffers are slabs of the Buffer pool. Node marks a slab as untransferable when it creates the slab, and this mark is checked.
// The size is no criterion: it differs between Node's lines and depends on Buffer.poolSize.

const workerThreads = require('node:worker_threads')

/**
 * The slab that the pool cuts Buffers from now. Takes one byte of it, or makes Node begin the next slab.
 * @returns {ArrayBuffer}
 */
function currentSlab () {
  return Buffer.allocUnsafe(1).buffer
}

/** Whether Node refuses to transfer an ArrayBuffer to another thread. */
const isUntransferable = workerThreads.isMarkedAsUntransferable ?? function isUntransferable (buffer) {
  // Node 20 has no such function. structuredClone() skips an untransferable ArrayBuffer in the list. Any other ArrayBuffer that is twice in the
  // list is an error, and this is found before anything is transferred.
  try {
    structuredClone(null, { transfer: [buffer, buffer] })
    return true
  } catch {
    return false
  }
}

module.exports = { currentSlab, isUntransferable }
