'use strict'

const { performance } = require('node:perf_hooks')
const { setTimeout: sleep } = require('node:timers/promises')
const { throwIfAborted } = require('./failure.js')

/** How often a thread looks whether it is its turn. */
const turnMs = 50

/** There is one probe at a time in a process: where several threads want one, they wait for each other. */
async function inTurn (signal, timeoutMs, probe) {
  const end = performance.now() + timeoutMs
  for (;;) {
    const timeLeftMs = Math.ceil(end - performance.now())
    try {
      return await probe(Math.max(1, timeLeftMs))
    } catch (error) {
      if (error.code !== 'ERR_OFFHEAP_PROBE_IN_PROGRESS' || timeLeftMs <= 0) throw error
    }
    await sleep(turnMs)
    throwIfAborted(signal)
  }
}

module.exports = { inTurn }
