'use strict'

const { OffheapError } = require('../../base/errors.js')
const { coveredByBuffers } = require('./covered.js')
const { describe, measureBufferGrowth } = require('./measure-buffer-growth.js')

async function expectNoBufferGrowth (fn, options) {
  const growth = await measureBufferGrowth(fn, options)
  if (!growth.figures.some((figure) => figure.grew)) return growth
  const error = new OffheapError('ERR_OFFHEAP_BUFFER_GROWTH', bufferGrowthMessage(growth))
  error.growth = growth
  throw error
}

function bufferGrowthMessage (growth) {
  return `What Buffers keep alive grew each time the function ran:\n${describe(growth)}\n${coveredByBuffers()}`
}

module.exports = { bufferGrowthMessage, expectNoBufferGrowth }
