'use strict'

// Turns labels into the numbers that the native side uses.

const binding = require('../base/load.js')
const { string } = require('../base/validate.js')

const MAX_LENGTH = 256

// The number of all labels after the native limit. The Map does not keep these labels, so that a million of them take no memory.
const FOLDED = 1

const keys = new Map()

// The last label, because callers often use one label many times. A comparison of two pointers costs a tenth of a lookup in the Map.
let lastLabel
let lastKey = 0

/**
 * The number of a label.
 * @param {string} name the caller's name for the argument
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
