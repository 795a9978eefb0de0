'use strict'

// Computes the memory that V8 and Node count and that no object of this isolate shows.
//
// Node's `arrayBuffers` counts memory of Node's allocator. V8's `external` counts memory of objects outside the heap. A census reads both when it
// has found every object, after a garbage collection. So it knows what the differences are.

// Whether V8's `external` includes WebAssembly memory, and whether it follows a resize. `__test__/memory/facts.slow.test.js` tests both on
// each line of Node.
const v8Major = parseInt(process.versions.v8, 10)
const COUNTS_WASM = v8Major < 14
const FOLLOWS_RESIZE = v8Major >= 13

/**
 * @param {{ arrayBuffers: number | null, external: number }} counters
 * @param {object} found
 * @returns {{ nativelyHeldBytes: number | null, externalStringBytes: number | null }}
 */
function beyondObjects ({ arrayBuffers, external }, { realms, fromNode, ofIsolate, unsharedWasm, unsharedResizable }) {
  // Memory of objects in an unread realm would look like memory without an object.
  if (realms.readCount < realms.count) return { nativelyHeldBytes: null, externalStringBytes: null }
  const strings = external - ofIsolate.bytes - (COUNTS_WASM ? unsharedWasm.bytes : 0)
  return {
    nativelyHeldBytes: arrayBuffers === null ? null : known(arrayBuffers - fromNode.bytes),
    externalStringBytes: unsharedResizable.count > 0 && !FOLLOWS_RESIZE ? null : known(strings)
  }
}

/** A difference below 0 means that the census found memory that this counter does not include. The result is then unknown. */
function known (bytes) {
  return bytes >= 0 ? bytes : null
}

module.exports = { beyondObjects }
