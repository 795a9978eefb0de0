'use strict'

const { OffheapError } = require('../../base/errors.js')
const { coveredByAddons } = require('./covered.js')
const { describe, measureAddonGrowth } = require('./addon-growth.js')

async function expectNoAddonGrowth (fn, options) {
  const growth = await measureAddonGrowth(fn, options)
  if (!growth.figures.some((figure) => figure.grew)) return growth
  const error = new OffheapError('ERR_OFFHEAP_ADDON_GROWTH', addonGrowthMessage(growth))
  error.growth = growth
  throw error
}

function addonGrowthMessage (growth) {
  return `What an addon holds grew each time the function ran:\n${describe(growth)}\n` +
    `Find what keeps it; if it is a cache, raise *warmup* until the cache is full\n${coveredByAddons(growth)}`
}

module.exports = { expectNoAddonGrowth, addonGrowthMessage }
