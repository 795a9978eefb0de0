'use strict'

// trackBuffers() and bufferProfile(): argument checks. lib/buffer-profile/ reads the profile and names what is in it.

const { NAMES, startTracking } = require('./buffer-profile/tracking.js')
const { folded } = require('./buffer-profile/folded.js')
const { pprof } = require('./buffer-profile/pprof.js')
const { readProfile } = require('./buffer-profile/reading.js')
const { boolean, integer, invalidType, invalidValue, oneOf, options: checkOptions, outOfRange } = require('./validate.js')

const SAMPLE_INTERVAL_BYTES = 512 * 1024
const MAX_OVERHEAD = 0.01

const FORMATS = { object: readProfile, pprof, folded }

/** See index.d.ts. */
function trackBuffers (options) {
  return startTracking(trackingSettings('options', options))
}

function trackingSettings (name, options) {
  const { sampleIntervalBytes = SAMPLE_INTERVAL_BYTES, functions = NAMES, stackDepth = 16, maxOverhead = MAX_OVERHEAD } =
    checkOptions(name, options, ['sampleIntervalBytes', 'functions', 'stackDepth', 'maxOverhead'])
  integer(`${name}.sampleIntervalBytes`, sampleIntervalBytes, { min: 1 })
  integer(`${name}.stackDepth`, stackDepth, { min: 1, max: 200 })
  if (!Array.isArray(functions)) throw invalidType(`${name}.functions`, 'an array of names', functions)
  functions.forEach((item, index) => oneOf(`${name}.functions[${index}]`, item, NAMES))
  if (functions.length === 0) throw invalidValue(`${name}.functions`, 'at least one name', functions)
  if (typeof maxOverhead !== 'number') throw invalidType(`${name}.maxOverhead`, 'a number', maxOverhead)
  if (!(maxOverhead > 0 && maxOverhead <= 1)) throw outOfRange(`${name}.maxOverhead`, 'above 0 and at most 1', maxOverhead)
  return { sampleIntervalBytes, functions: [...functions], stackDepth, maxOverhead }
}

/** See index.d.ts. */
function bufferProfile (options) {
  const { format = 'object', sites = true } = checkOptions('options', options, ['format', 'sites'])
  oneOf('options.format', format, Object.keys(FORMATS))
  boolean('options.sites', sites)
  if (!sites && format !== 'object') throw invalidValue('options.sites', 'true with this format, which consists of them', sites)
  return FORMATS[format]({ sites })
}

module.exports = { bufferProfile, trackBuffers, trackingSettings }
