'use strict'

const { OffheapError } = require('../../base/errors.js')
const { coveredByReferences } = require('./covered.js')
const { describe, measureReferenceGrowth } = require('./reference-growth.js')

async function expectNoReferenceGrowth (fn, options) {
  const growth = await measureReferenceGrowth(fn, options)
  if (!growth.figures.some((figure) => figure.grew)) return growth
  const error = new OffheapError('ERR_OFFHEAP_REFERENCE_GROWTH', referenceGrowthMessage(growth))
  error.growth = growth
  throw error
}

function referenceGrowthMessage (growth) {
  return `What an addon holds grew each time the function ran:\n${describe(growth)}\n` +
    `Find what keeps it; if it is a cache, raise *warmup* until the cache is full\n${coveredByReferences(growth)}`
}

module.exports = { expectNoReferenceGrowth, referenceGrowthMessage }
