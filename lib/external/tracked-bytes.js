'use strict'

const binding = require('../base/load.js')
const { flush } = require('./pending-batch.js')

/** The live bytes of this environment's tracked external allocations. */
function trackedBytes () {
  flush()
  return binding.trackedBytes()
}

module.exports = { trackedBytes }
