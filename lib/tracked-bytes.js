'use strict'

const binding = require('./load.js')
const { flush } = require('./nursery.js')

/** The live bytes of this environment's tracked external allocations. */
function trackedBytes () {
  flush()
  return binding.trackedBytes()
}

module.exports = { trackedBytes }
