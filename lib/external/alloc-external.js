'use strict'

const { constants } = require('node:buffer')

const binding = require('../base/load.js')
const { bytes } = require('../base/units.js')
const { fromNative } = require('../base/errors.js')
const { labelKey } = require('./label.js')
const { enclosingRoute } = require('./route-context.js')
const { track } = require('./track.js')
const { options: checkOptions } = require('../base/validate.js')

function allocExternal (size, options) {
  const byteLength = bytes('byteLength', size, { min: 0, max: constants.MAX_LENGTH })
  const { label } = checkOptions('options', options, ['label'])
  const key = label === undefined ? 0 : labelKey('options.label', label)

  // An empty Buffer has no native memory, so no finalizer could count its release.
  if (byteLength === 0) return track(Buffer.alloc(0), label === undefined ? undefined : { label })

  const route = enclosingRoute()
  const routeKey = route === undefined ? 0 : route.key()
  const buffer = fromNative(() => binding.allocExternal(byteLength, key, routeKey))
  if (route !== undefined && routeKey === 0) route.defer(binding.findView(buffer))
  return buffer
}

module.exports = { allocExternal }
