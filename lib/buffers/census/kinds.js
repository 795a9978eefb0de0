'use strict'

// The kind of a backing store, as bits. The same bits as in src/buffers/slabs.rs.

module.exports = { SHARED: 1, WASM: 2, RESIZABLE: 4, SLAB: 8, EXTERNAL: 16, CURRENT: 32, MARKED: 64, ADDON: 128 }
