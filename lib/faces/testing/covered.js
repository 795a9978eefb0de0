'use strict'

// One sentence per assertion that says what it counts. A figure of 1 kB may belong to 100 kB of native memory.

const PAGE = '(docs/testing.md)'

function coveredByExternal ({ figures }) {
  return figures.every(({ metric }) => metric === 'trackedExternalBytes')
    ? `Counted: only tracked memory ${PAGE}`
    : `Counted: tracked memory, and memory that V8 knows of; native memory that nothing declares is not counted ${PAGE}`
}

function coveredByBuffers () {
  return `Counted: Buffers, ArrayBuffers and the memory that they pin; no other native memory ${PAGE}`
}

function coveredByAddons () {
  return `Counted: what addons hold through Node-API; not memory of their own malloc, and not what Node itself holds ${PAGE}`
}

module.exports = { coveredByBuffers, coveredByExternal, coveredByAddons }
