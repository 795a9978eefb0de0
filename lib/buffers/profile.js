'use strict'

// bufferProfile(): checks the arguments. lib/buffers/profile/ reads the profile.

const { folded, pprof } = require('./profile/formats.js')
const { readProfile } = require('./profile/read-profile.js')
const { boolean, invalidValue, oneOf, options: checkOptions } = require('../base/validate.js')

const FORMATS = { object: readProfile, pprof, folded }

/** See types/buffers-profile.d.ts. */
function bufferProfile (options) {
  const { format = 'object', sites = true } = checkOptions('options', options, ['format', 'sites'])
  oneOf('options.format', format, Object.keys(FORMATS))
  boolean('options.sites', sites)
  if (!sites && format !== 'object') throw invalidValue('options.sites', 'true with this format, which consists of call sites', sites)
  return FORMATS[format]({ sites })
}

module.exports = { bufferProfile }
