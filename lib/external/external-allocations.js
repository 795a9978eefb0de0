'use strict'

const binding = require('../base/load.js')
const { fromNative } = require('../base/errors.js')
const { flush } = require('./pending-batch.js')
const { oneOf, options: checkOptions } = require('../base/validate.js')

// Numbers per tally, in this order; see src/bindings/external.rs.
const NUMBERS = 6

function externalAllocations (options) {
  const { scope = 'environment' } = checkOptions('options', options, ['scope'])
  oneOf('options.scope', scope, ['environment', 'process'])

  flush()
  const reading = fromNative(() => binding.readAllocations(scope === 'process'))
  const { labels, routes, numbers } = reading
  return {
    ...tally(numbers, 0),
    labels: byName(labels, numbers, 1),
    routes: byName(routes, numbers, 1 + labels.length),
    labelsFolded: reading.labelsFolded,
    routesFolded: reading.routesFolded
  }
}

function byName (names, numbers, first) {
  const tallies = {}
  for (let index = 0; index < names.length; index++) {
    // A plain assignment would call the setter for a label of this name and lose the row.
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

/** The napi references that offheap itself holds in this environment. */
function ownReferences () {
  flush()
  const [strongCount, weakCount, totalCount] = fromNative(() => binding.ownReferences())
  return { liveCount: strongCount + weakCount, strongCount, weakCount, totalCount }
}

module.exports = { externalAllocations, ownReferences }
