'use strict'

// Reads Node's Buffer pool, and which of its slabs are alive. All copies of this file on a thread use the same state. lib/buffers/main-realm.js
// creates it in the main realm, at the first use.

const { Buffer } = require('node:buffer')

const binding = require('../base/load.js')

const { threadState } = binding

const NOT_TRACKED = 'trackBuffers() is not running: only slabs that were current when the pool was read are counted'
const NOT_WRAPPED = 'trackBuffers() does not wrap all functions that use the pool (from, allocUnsafe, concat, copyBytesFrom): some slabs may not be counted'

function bufferState () {
  // No function of this file is passed in, because it would keep jest's realm alive.
  // The binding has the clock as well: node:perf_hooks takes a millisecond and a megabyte to load.
  threadState.buffers ??= binding.bufferScript()(Buffer, binding, binding)
  return threadState.buffers
}

/** @returns {import('../../index.js').BufferPool | null} null when there is no memory for a slab, because the caller of memory() needs the other figures */
function bufferPool () {
  let pool
  try {
    pool = bufferState().readPool()
  } catch {
    return null
  }
  const { slabBytes, usedBytes, createdCount, liveCount, liveBytes, liveStandardError, isTracked, fullSince } = pool
  return {
    createdCount,
    liveCount,
    liveBytes,
    // Node holds the current slab, to cut small Buffers from it. Only slices keep the other slabs alive.
    pinnedBytes: Math.max(0, liveBytes - (slabBytes ?? 0)),
    liveCountStandardError: Math.round(liveStandardError),
    currentSlab: slabBytes === undefined ? null : { byteLength: slabBytes, usedBytes, freeBytes: slabBytes - usedBytes },
    coverage: fullSince === undefined ? 'partial' : 'full',
    coverageReason: fullSince !== undefined ? null : isTracked ? NOT_WRAPPED : NOT_TRACKED,
    fullCoverageAt: fullSince === undefined ? null : new Date(fullSince).toISOString()
  }
}

module.exports = { bufferPool, bufferState }
