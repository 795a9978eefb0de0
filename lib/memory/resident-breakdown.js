'use strict'

// Divides the resident set into its parts. The engine's figures are read on this thread, before the kernel's figures are read on another one.

const binding = require('../base/load.js')
const { engineFigures } = require('../base/engine-figures.js')
const { fromNative, rebuild } = require('../base/errors.js')
const validate = require('../base/validate.js')

// Before V8 14 (Node 24 has 13.6, Node 26 has 14.6), `external` includes WebAssembly memory.
const externalCountsWebAssembly = parseInt(process.versions.v8, 10) < 14

/**
 * @param {import('../../index.js').ResidentBreakdownOptions} [options]
 * @returns {Promise<import('../../index.js').ResidentBreakdown>}
 */
function residentBreakdown (options) {
  // Wrong arguments throw at once. All other errors reject.
  const { malloc = true } = validate.options('options', options, ['malloc'])
  validate.boolean('options.malloc', malloc)
  return breakdown(malloc)
}

async function breakdown (askMalloc) {
  const { arrayBuffers, external, heap } = engineFigures()
  const started = fromNative(() => binding.residentBreakdown({
    arrayBuffersBytes: arrayBuffers ?? 0,
    externalBytes: external,
    physicalBytes: heap.total_physical_size,
    externalCountsWebAssembly,
    askMalloc
  }))
  let table
  try {
    table = await started
  } catch (error) {
    throw rebuild(error)
  }
  return {
    rss: table.rss,
    v8HeapBytes: table.v8HeapBytes,
    wasmBytes: table.webAssemblyBytes,
    arrayBuffersResidentBytes: table.arrayBuffersBytes,
    mallocInUseBytes: table.mallocInUseBytes ?? null,
    mallocFreeBytes: table.mallocFreeBytes ?? null,
    mallocUndividedBytes: table.mallocUndividedBytes ?? null,
    threadStacksBytes: table.threadStacksBytes,
    fileMappingsBytes: table.fileMappingsBytes,
    sharedMemoryBytes: table.sharedMemoryBytes,
    otherAnonymousBytes: table.otherAnonymousBytes,
    unexplainedBytes: table.unexplainedBytes,
    otherDeclaredBytes: table.otherExternalBytes ?? null,
    mallocFreeAtMostBytes: table.mallocFreeAtMostBytes ?? null,
    notResidentBytes: table.notResidentBytes ?? null,
    swappedBytes: table.swappedBytes,
    largest: Array.from(table.largest, ({ bytes, name }) => ({ bytes, name }))
  }
}

module.exports = { residentBreakdown }
