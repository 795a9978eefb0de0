'use strict'

// What each assertion counts and what it does not, in one sentence: a figure of 1 kB may stand for 100 kB of native memory.

const PAGE = '(docs/testing.md)'

function coveredByExternal ({ figures }) {
  return figures.every(({ metric }) => metric === 'trackedExternalBytes')
    ? `Counted: only what is tracked ${PAGE}`
    : `Counted: what is tracked, and what V8 was told of; native memory that nobody declares comes on top ${PAGE}`
}

function coveredByBuffers () {
  return `Counted: Buffers, ArrayBuffers and what they pin; no other native memory ${PAGE}`
}

function coveredByAddons () {
  return `Counted: what addons hold through Node-API; neither their own malloc nor what Node itself holds ${PAGE}`
}

module.exports = { coveredByBuffers, coveredByExternal, coveredByAddons }
