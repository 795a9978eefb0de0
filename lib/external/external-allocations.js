'use strict'

const binding = require('../base/load.js')
const { fromNative } = require('../base/errors.js')
const { flush } = require('./pending-batch.js')
const { oneOf, options: checkOptions } = require('../base/validate.js')

// How many numbers a tally has. `tally()` has their order; see src/bindings/external.rs.
const NUMBERS = 6

function externalAllocations (options) {
  const { scope = 'environment' } = checkOptions('options', options, ['scope'])
  oneOf('options.scope', scope, ['environment', 'process'])

  flush()
  const { labels, routes, numbers, labelsFolded, routesFolded } = fromNative(() => binding.readAllocations(scope === 'process'))
  return {
    ...tally(numbers, 0),
    labels: byName(labels, numbers, 1),
    routes: byName(routes, numbers, 1 + labels.length),
    labelsFolded,
    routesFolded
  }
}

function byName (names, numbers, first) {
  const tallies = {}
  for (let index = 0; index < names.length; index++) {
    // A plain assignment would lose the row of a label named __proto__, because it calls a setter.
    Object.defineProperty(tallies, names[index], {
      value: tally(numbers, first + index),
      configurable: true,
      enumerable: true,
      writable: true
    })
  }
  return tallies
}

function tally (numbers, index) {
  const [liveBytes, liveCount, totalBytes, totalCount, peakBytes, peakCount] =
    numbers.subarray(index * NUMBERS, (index + 1) * NUMBERS)
  return { liveBytes, liveCount, totalBytes, totalCount, peakBytes, peakCount }
}

/** The references that offheap itself holds in this environment, whether Node-API's or the engine's. */
function ownReferences () {
  flush()
  const [strongCount, weakCount, totalCount] = fromNative(() => binding.ownReferences())
  return { liveCount: strongCount + weakCount, strongCount, weakCount, totalCount }
}

module.exports = { externalAllocations, ownReferences }
