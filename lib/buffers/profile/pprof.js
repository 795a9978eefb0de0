'use strict'

// Writes the profile as a gzip'd pprof protobuf.

const binding = require('../../base/load.js')
const { fromNative } = require('../../base/errors.js')
const { nativeProfile } = require('./native-profile.js')

function pprof () {
  const profile = nativeProfile()
  return fromNative(() => binding.writePprof(profile))
}

module.exports = { pprof }
