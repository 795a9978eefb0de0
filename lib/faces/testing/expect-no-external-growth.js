'use strict'

const { OffheapError } = require('../../base/errors.js')
const { coveredByExternal } = require('./covered.js')
const { describe } = require('./growth.js')
const { measureGrowth } = require('./measure-growth.js')

async function expectNoExternalGrowth (fn, options) {
  const growth = await measureGrowth(fn, options)
  if (!growth.figures.some((figure) => figure.grew)) return growth
  const error = new OffheapError('ERR_OFFHEAP_EXTERNAL_GROWTH', growthMessage(growth))
  error.growth = growth
  throw error
}

function growthMessage (growth) {
  return `External memory grew each time the function ran:\n${describe(growth)}\n` +
    `Find what keeps it; if it is a cache, raise *warmup* until the cache is full\n${coveredByExternal(growth)}`
}

module.exports = { expectNoExternalGrowth, growthMessage }
