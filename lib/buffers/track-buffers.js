'use strict'

// trackBuffers(): checks the arguments. lib/buffers/profile/ samples. It is in a file of its own: offheap/register needs nothing of what reads the profile.

const { NAMES, startTracking } = require('./profile/tracking.js')
const { bytes, isPercentage, percentage } = require('../base/units.js')
const { integer, invalidType, invalidValue, oneOf, options: checkOptions, outOfRange } = require('../base/validate.js')

const SAMPLE_INTERVAL_BYTES = 512 * 1024
const MAX_OVERHEAD = 0.01

/** See types/buffers-profile.d.ts. */
function trackBuffers (options) {
  return startTracking(trackingSettings('options', options))
}

function trackingSettings (name, options) {
  const { sampleIntervalBytes = SAMPLE_INTERVAL_BYTES, functions = NAMES, stackDepth = 16, maxOverhead = MAX_OVERHEAD } =
    checkOptions(name, options, ['sampleIntervalBytes', 'functions', 'stackDepth', 'maxOverhead'])
  integer(`${name}.stackDepth`, stackDepth, { min: 1, max: 200 })
  if (!Array.isArray(functions)) throw invalidType(`${name}.functions`, 'an array of names', functions)
  functions.forEach((item, index) => oneOf(`${name}.functions[${index}]`, item, NAMES))
  if (functions.length === 0) throw invalidValue(`${name}.functions`, 'at least one name', functions)
  return {
    sampleIntervalBytes: bytes(`${name}.sampleIntervalBytes`, sampleIntervalBytes),
    functions: [...functions],
    stackDepth,
    maxOverhead: share(`${name}.maxOverhead`, maxOverhead)
  }
}

/** Parses a share: 0.01 or '1%'. */
function share (name, value) {
  if (isPercentage(value)) return percentage(name, value) / 100
  if (typeof value !== 'number') throw invalidType(name, 'a number or a percentage such as "1%"', value)
  if (!(value > 0 && value <= 1)) throw outOfRange(name, 'above 0 and at most 1', value)
  return value
}

module.exports = { trackBuffers, trackingSettings }
