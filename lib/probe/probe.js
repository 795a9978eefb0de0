'use strict'

// The public face of the probe.

const v8 = require('node:v8')
const { abortSignal, func, integer, options: checkOptions } = require('../base/validate.js')
const { asThrown } = require('./thrown.js')
const { run } = require('./run.js')

const defaultTimeoutMs = 60_000
/** What a timer of Node can hold. */
const maxTimeoutMs = 2 ** 31 - 1

/**
 * Runs a synchronous function in a copy-on-write child of this process and resolves with what it returns.
 * @template T
 * @param {() => T} fn
 * @param {{ timeoutMs?: number, signal?: AbortSignal }} [options]
 * @returns {Promise<T>}
 */
async function probe (fn, options) {
  func('fn', fn)
  const { timeoutMs = defaultTimeoutMs, signal } = checkOptions('options', options, ['timeoutMs', 'signal'])
  integer('options.timeoutMs', timeoutMs, { min: 1, max: maxTimeoutMs })
  if (signal !== undefined) abortSignal('options.signal', signal)

  const { value, thrown } = await run({ work: fn, timeoutMs, signal })
  if (thrown !== undefined) throw asThrown(thrown)
  return v8.deserialize(value)
}

module.exports = { probe }
