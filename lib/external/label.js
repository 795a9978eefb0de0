'use strict'

// Labels to the numbers that the native side knows them by.

const binding = require('../base/load.js')
const { string } = require('../base/validate.js')

const MAX_LENGTH = 256

// What all labels share that came after the native limit. Not remembered here, so that a million of them take no memory.
const FOLDED = 1

const keys = new Map()

// A loop over one label is the common case, and comparing two pointers is a tenth of a look into the Map.
let lastLabel
let lastKey = 0

/**
 * The number of a label.
 * @param {string} name what the caller calls the argument
 * @param {unknown} label
 */
function labelKey (name, label) {
  if (label === lastLabel) return lastKey
  const known = keys.get(label)
  if (known !== undefined) {
    lastLabel = label
    lastKey = known
    return known
  }
  const key = binding.labelKey(string(name, label, { maxLength: MAX_LENGTH }))
  if (key !== FOLDED) keys.set(label, key)
  return key
}

module.exports = { labelKey }
