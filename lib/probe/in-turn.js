'use strict'

// There is one probe at a time in a process. Where several threads want one, they wait for each other.

const { performance } = require('node:perf_hooks')
const { setTimeout: sleep } = require('node:timers/promises')
const { throwIfAborted } = require('../base/abort.js')

/** How often a thread that waits tries again. */
const retryMs = 50

/**
 * @template T
 * @param {AbortSignal | undefined} signal ends the wait; whether it ends the probe too is up to `probe`
 * @param {number} timeoutMs for the wait and the probe together
 * @param {(timeLeftMs: number) => Promise<T>} probe
 * @returns {Promise<T>}
 */
async function inTurn (signal, timeoutMs, probe) {
  const end = performance.now() + timeoutMs
  for (;;) {
    const timeLeftMs = Math.ceil(end - performance.now())
    try {
      return await probe(Math.max(1, timeLeftMs))
    } catch (error) {
      if (error.code !== 'ERR_OFFHEAP_PROBE_IN_PROGRESS' || timeLeftMs <= 0) throw error
    }
    await sleep(retryMs)
    throwIfAborted(signal)
  }
}

module.exports = { inTurn }
