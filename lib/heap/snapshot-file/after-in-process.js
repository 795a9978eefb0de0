'use strict'

const { trim } = require('../../memory/trim.js')

/**
 * Runs after an in-process snapshot, unless `trim: false`. V8's snapshot generator leaves several times the heap behind
 * as memory that malloc holds free; this is where it is given back.
 * @returns {Promise<number>} for how many milliseconds this thread may have stood still: malloc trims with its arena
 *   locked, on another thread, and this one waits as soon as it allocates
 */
async function afterInProcess () {
  const { durationMs } = await trim()
  return durationMs ?? 0
}

module.exports = { afterInProcess }
