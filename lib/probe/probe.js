'use strict'

// The public face of the probe.

const { LONGEST_MS, TIMEOUT_MS } = require('../base/times.js')
const v8 = require('../base/v8.js')
const { abortSignal, func, integer, options: checkOptions } = require('../base/validate.js')
const { asThrown } = require('./thrown.js')
const { run } = require('./run.js')

/**
 * Runs a synchronous function in a copy-on-write child of this process and resolves with what it returns.
 * @template T
 * @param {() => T} fn
 * @param {{ timeoutMs?: number, signal?: AbortSignal }} [options]
 * @returns {Promise<T>}
 */
async function probe (fn, options) {
  func('fn', fn)
  const { timeoutMs = TIMEOUT_MS, signal } = checkOptions('options', options, ['timeoutMs', 'signal'])
  integer('options.timeoutMs', timeoutMs, { min: 1, max: LONGEST_MS })
  if (signal !== undefined) abortSignal('options.signal', signal)

  const { value, thrown } = await run({ work: fn, timeoutMs, signal })
  if (thrown !== undefined) throw asThrown(thrown)
  return v8().deserialize(value)
}

module.exports = { probe }
