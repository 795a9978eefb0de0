'use strict'

// The cheap memory figures. All of them are read at one moment, for one isolate and its process.

const binding = require('../base/load.js')
const { engineFigures } = require('../base/engine-figures.js')
const { fromNative } = require('../base/errors.js')
const { bufferPool } = require('../buffers/pool.js')
const { trackedBytes } = require('../external/tracked-bytes.js')

/** @returns {import('../../index.js').Memory} */
function memory () {
  const { heap, ...node } = engineFigures()
  const native = fromNative(() => binding.readMemory())
  const limit = native.cgroupLimitBytes ?? null
  const machine = native.machineTotalBytes ?? null
  return {
    rss: native.rss ?? node.rss,
    rssAnonBytes: native.rssAnonBytes ?? null,
    rssFileBytes: native.rssFileBytes ?? null,
    rssShmemBytes: native.rssShmemBytes ?? null,
    heapTotal: node.heapTotal,
    heapUsed: node.heapUsed,
    heapLimitBytes: heap.heap_size_limit,
    external: node.external,
    arrayBuffers: node.arrayBuffers,
    // SharedArrayBuffers are in arrayBuffers and not in external. Where they outweigh the rest, the difference has no meaning.
    otherExternalBytes: node.arrayBuffers !== null && node.external >= node.arrayBuffers ? node.external - node.arrayBuffers : null,
    declaredExternalBytes: native.declaredExternalBytes,
    trackedExternalBytes: trackedBytes(),
    globalHandlesBytes: heap.used_global_handles_size,
    cgroupLimitBytes: limit,
    cgroupUsageBytes: native.cgroupUsageBytes ?? null,
    cgroupWorkingSetBytes: native.cgroupWorkingSetBytes ?? null,
    cgroupVersion: native.cgroupVersion ?? null,
    machineTotalBytes: machine,
    machineAvailableBytes: native.machineAvailableBytes ?? null,
    containerTotalBytes: limit !== null && machine !== null ? Math.min(limit, machine) : limit ?? machine,
    bufferPool: bufferPool()
  }
}

module.exports = { memory }
