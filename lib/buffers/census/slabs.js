'use strict'

// Knows which ArrayBuffers are slabs of the Buffer pool. Node marks a slab as untransferable when it creates the slab, and this mark is checked.
// The size is no criterion: it differs between Node's lines and depends on Buffer.poolSize.

/**
 * The slab that the pool cuts Buffers from now. Takes one byte of it, or makes Node begin the next slab.
 * @returns {ArrayBuffer}
 */
function currentSlab () {
  return Buffer.allocUnsafe(1).buffer
}

/** Whether Node refuses to transfer an ArrayBuffer to another thread. */
const isUntransferable = nodesOwn() ?? function isUntransferable (buffer) {
  // structuredClone() skips an untransferable ArrayBuffer in the list. Any other ArrayBuffer that is twice in the
  // list is an error, and this is found before anything is transferred.
  try {
    structuredClone(null, { transfer: [buffer, buffer] })
    return true
  } catch {
    return false
  }
}

/** Node's own function for that. Undefined on Node 20, and where the program has frozen `process`: Node replaces `process.chdir` when it loads worker_threads. */
function nodesOwn () {
  try {
    return require('node:worker_threads').isMarkedAsUntransferable
  } catch {
    return undefined
  }
}

module.exports = { currentSlab, isUntransferable }
