'use strict'

// What V8 and Node count beyond all that a census found: memory that no object of this isolate shows.
//
// Node's `arrayBuffers` counts what its allocator made; V8's `external` counts what objects of the isolate have outside the heap. A
// census reads both at the instant in which it has every object, after the garbage was collected, so the differences have names.

// What V8 leaves out of `external` and what it gets wrong; `__test__/memory/facts.slow.test.js` holds both on each line.
const v8Major = parseInt(process.versions.v8, 10)
const COUNTS_WASM = v8Major < 14
const FOLLOWS_RESIZE = v8Major >= 13

/**
 * @param {{ arrayBuffers: number | null, external: number }} counters
 * @param {object} found
 * @returns {{ nativelyHeldBytes: number | null, externalStringBytes: number | null }}
 */
function beyondObjects ({ arrayBuffers, external }, { realms, fromNode, ofIsolate, unsharedWasm, unsharedResizable }) {
  // What belongs to realms that were not seen would be taken for memory without an object.
  if (realms.readCount < realms.count) return { nativelyHeldBytes: null, externalStringBytes: null }
  const strings = external - ofIsolate.bytes - (COUNTS_WASM ? unsharedWasm.bytes : 0)
  return {
    nativelyHeldBytes: arrayBuffers === null ? null : known(arrayBuffers - fromNode.bytes),
    externalStringBytes: unsharedResizable.count > 0 && !FOLLOWS_RESIZE ? null : known(strings)
  }
}

/** Below 0 something was found that is counted elsewhere: how much there is besides is not known. */
function known (bytes) {
  return bytes >= 0 ? bytes : null
}

module.exports = { beyondObjects }
