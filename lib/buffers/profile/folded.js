'use strict'

// Writes the profile as folded stacks: one line per call site, with its frames from the outermost to the innermost, and its live bytes.

const binding = require('../../base/load.js')
const { fromNative } = require('../../base/errors.js')
const { nativeProfile } = require('./native-profile.js')

function folded () {
  const profile = nativeProfile()
  return fromNative(() => binding.writeFolded(profile))
}

module.exports = { folded }
