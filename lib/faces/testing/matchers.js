'use strict'

// Matchers for expect.extend() of jest and vitest. This file does not register them.

const { coveredByBuffers, coveredByExternal, coveredByAddons } = require('./covered.js')
const { bufferGrowthMessage } = require('./expect-no-buffer-growth.js')
const { growthMessage } = require('./expect-no-external-growth.js')
const { addonGrowthMessage } = require('./expect-no-addon-growth.js')
const { measureBufferGrowth } = require('./measure-buffer-growth.js')
const { measureGrowth } = require('./measure-growth.js')
const { measureAddonGrowth } = require('./addon-growth.js')

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

async function toHaveNoAddonGrowth (received, options) {
  const growth = await measureAddonGrowth(received, options)
  const pass = !growth.figures.some((figure) => figure.grew)
  return {
    pass,
    message: () => pass
      ? `Expected what an addon holds to grow each time the function ran; in the second block of ${growth.iterations} iterations no count grew beyond its tolerance\n${coveredByAddons()}`
      : addonGrowthMessage(growth)
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

module.exports = { toHaveNoBufferGrowth, toHaveNoExternalGrowth, toHaveNoAddonGrowth }
