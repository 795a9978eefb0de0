'use strict'

const { trim } = require('../../memory/trim.js')

/**
 * Gives malloc's free memory back to the system. Runs after an in-process snapshot, unless `trim: false`. V8's snapshot generator frees
 * several times the size of the heap, and malloc keeps this memory.
 * @returns {Promise<number>} for how many ms this thread may have paused: malloc trims on another thread with its arena locked, and this
 *   thread waits as soon as it allocates
 */
async function afterInProcess () {
  const { durationMs } = await trim()
  return durationMs ?? 0
}

module.exports = { afterInProcess }
