'use strict'

// Gives malloc's free memory back to the system.

const binding = require('../base/load.js')
const { fromNative, rebuild } = require('../base/errors.js')

/** @returns {Promise<import('../../index.js').TrimResult>} */
async function trim () {
  const started = fromNative(() => binding.trimMalloc())
  let result
  try {
    result = await started
  } catch (error) {
    throw rebuild(error)
  }
  return { releasedBytes: result.releasedBytes ?? null, durationMs: result.durationMs ?? null }
}

module.exports = { trim }
