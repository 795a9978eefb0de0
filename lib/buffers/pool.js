'use strict'

// Node's pool, and which of its slabs are alive. What all copies of this file on a thread share is made by
// lib/buffers/main-realm.js, in the main realm, when it is asked for first.

const { Buffer } = require('node:buffer')
const { performance } = require('node:perf_hooks')

const binding = require('../base/load.js')

const { threadState } = binding

const NOT_TRACKED = 'no trackBuffers() is running: only slabs that were current at some reading, sample or request are counted'
const NOT_WRAPPED = 'Buffer.from or Buffer.allocUnsafe is not watched: a slab that came and went between two others may be missed'

function bufferState () {
  // Nothing of this file is passed in: it would keep jest's realm alive.
  threadState.buffers ??= binding.bufferScript()(Buffer, performance, binding)
  return threadState.buffers
}

/** @returns {import('../../index.js').BufferPool | null} null when there is no memory for a slab: whoever asks is about something else */
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
    // The next small Buffer is cut from the current slab; nothing but slices keeps the others.
    pinnedBytes: Math.max(0, liveBytes - (slabBytes ?? 0)),
    liveCountStandardError: Math.round(liveStandardError),
    currentSlab: slabBytes === undefined ? null : { byteLength: slabBytes, usedBytes, freeBytes: slabBytes - usedBytes },
    coverage: fullSince === undefined ? 'partial' : 'full',
    coverageReason: fullSince !== undefined ? null : isTracked ? NOT_WRAPPED : NOT_TRACKED,
    fullCoverageAt: fullSince === undefined ? null : new Date(fullSince).toISOString()
  }
}

module.exports = { bufferPool, bufferState }
