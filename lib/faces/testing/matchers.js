'use strict'

// Matchers for expect.extend(), jest's or vitest's. This file registers nothing.

const { coveredByBuffers, coveredByExternal, coveredByReferences } = require('./covered.js')
const { bufferGrowthMessage } = require('./expect-no-buffer-growth.js')
const { growthMessage } = require('./expect-no-external-growth.js')
const { referenceGrowthMessage } = require('./expect-no-reference-growth.js')
const { measureBufferGrowth } = require('./measure-buffer-growth.js')
const { measureGrowth } = require('./measure-growth.js')
const { measureReferenceGrowth } = require('./reference-growth.js')

async function toHaveNoExternalGrowth (received, options) {
  const growth = await measureGrowth(received, options)
  const pass = !growth.figures.some((figure) => figure.grew)
  return {
    pass,
    message: () => pass
      ? `Expected external memory to grow each time the function ran; in the second block of ${growth.iterations} iterations no figure grew beyond its tolerance\n${coveredByExternal(growth)}`
      : growthMessage(growth)
  }
}

async function toHaveNoReferenceGrowth (received, options) {
  const growth = await measureReferenceGrowth(received, options)
  const pass = !growth.figures.some((figure) => figure.grew)
  return {
    pass,
    message: () => pass
      ? `Expected what an addon holds to grow each time the function ran; in the second block of ${growth.iterations} iterations no count grew beyond its tolerance\n${coveredByReferences()}`
      : referenceGrowthMessage(growth)
  }
}

async function toHaveNoBufferGrowth (received, options) {
  const growth = await measureBufferGrowth(received, options)
  const pass = !growth.figures.some((figure) => figure.grew)
  return {
    pass,
    message: () => pass
      ? `Expected what Buffers keep alive to grow each time the function ran; in the second block of ${growth.iterations} iterations no figure grew beyond its tolerance\n${coveredByBuffers()}`
      : bufferGrowthMessage(growth)
  }
}

module.exports = { toHaveNoBufferGrowth, toHaveNoExternalGrowth, toHaveNoReferenceGrowth }
