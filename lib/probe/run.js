'use strict'

// One probe: prepare, fork, observe, and try again where that can help. Everything slow happens on a native thread. The JavaScript
// thread stands still only in probeFork().

const os = require('node:os')
const { getSystemErrorName } = require('node:util')
const { setTimeout: sleep } = require('node:timers/promises')
const { abortedBy, onAbort, throwIfAborted } = require('../base/abort.js')
const { OffheapError, fromNative } = require('../base/errors.js')
const { onExit } = require('../base/exit-listener.js')
const binding = require('../base/load.js')
const v8 = require('../base/v8.js')
const { inChild } = require('./child.js')
const { unsupportedReason } = require('./supported.js')

/** Most children succeed at once; 57 of 57 did in the prototype. When five in a row fail, a sixth would fail too. */
const maxAttempts = 5
/** How many children may crash. */
const maxCrashes = 3
/** The signals with which V8 or the processor end a process. Not SIGKILL: most often the kernel sends it, out of memory. */
const crashSignals = new Set(['SIGSEGV', 'SIGBUS', 'SIGILL', 'SIGTRAP', 'SIGABRT'].map((name) => os.constants.signals[name]))
/** How long the service stands still, at most, in one wait for V8's helper threads. */
const quiesceLimitMs = 3
/** How many times it waits for them, before it forks although they are busy. */
const maxBusy = 40

/**
 * @param {object} options
 * @param {() => unknown} options.work what the child does; synchronous
 * @param {string} [options.output] the file that `work` writes through the binding
 * @param {number} options.timeoutMs all attempts together
 * @param {AbortSignal} [options.signal]
 * @param {(progress: { byteLength: number }) => void} [options.onProgress]
 * @param {(fork: { pid: number, pauseMs: number }) => void} [options.onFork] called when an attempt has forked
 * @param {number} [options.expectedBytes] what the child will need in memory; without it nothing is checked
 * @param {'memory' | 'disk' | 'auto'} [options.scratch] where that memory comes from (default: `'memory'`)
 * @param {boolean} [options.excludeMemory] whether the contents of large Buffers may be missing in the child. If the child touches
 *   them, another child is made that has them
 * @param {number} [options.minFreeDiskBytes] the output's disk must keep this many bytes free
 * @returns {Promise<{ value?: Buffer, thrown?: Buffer, byteLength: number | null, pauseMs: number, forkMs: number, attempts: number, scratch: 'memory' | 'disk', excludedBytes: number, childPeakRssBytes: number | null, childAnonymousGrowthBytes: number | null, durationMs: number }>}
 */
async function run (options) {
  const reason = unsupportedReason()
  if (reason !== null) throw new OffheapError('ERR_OFFHEAP_UNSUPPORTED_PLATFORM', `The probe is not available: ${reason}`)
  const { signal } = options
  throwIfAborted(signal)

  v8() // The child must not load it.
  const start = performance.now()
  const events = new Events(options.onProgress)
  const settings = {
    output: options.output,
    poolSize: poolSize(),
    expectedBytes: options.expectedBytes,
    scratch: options.scratch ?? 'memory',
    excludeMemory: options.excludeMemory ?? false,
    minFreeDiskBytes: options.minFreeDiskBytes ?? 0
  }
  let isAborted = false
  let ignoreAbort = () => {}
  let ignoreExit = () => {}
  // From here until probeClose() a native thread keeps the event loop alive: everything that may throw is inside the `try`.
  const id = fromNative(() => binding.probeStart(settings, (event) => events.take(event)))
  try {
    ignoreAbort = onAbort(signal, () => {
      isAborted = true
      binding.probeStop(id)
    })
    // The child is killed and its file removed before the process exits.
    ignoreExit = onExit(() => binding.probeAbandon(id))
    let pauseMs = 0
    for (let attempts = 1; ; attempts++) {
      const { scratch } = await events.next('prepared')
      const timeLeftMs = options.timeoutMs - (performance.now() - start)
      const fork = await forkWhenQuiet(id, options.work, timeLeftMs, () => isAborted)
      if (isAborted) throw abortedBy(signal)
      pauseMs = Math.max(pauseMs, fork.pauseMs)
      options.onFork?.(fork)
      const ended = await events.next('ended')
      if (isAborted) throw abortedBy(signal)
      if (ended.code === undefined) {
        return {
          value: ended.value,
          thrown: ended.thrown,
          byteLength: ended.byteLength ?? null,
          pauseMs,
          forkMs: fork.forkMs,
          attempts,
          scratch,
          excludedBytes: fork.excludedBytes,
          childPeakRssBytes: ended.peakRssBytes ?? null,
          childAnonymousGrowthBytes: ended.anonymousGrowthBytes ?? null,
          durationMs: performance.now() - start
        }
      }
      // A helper thread that was busy may have left something half done, or a mapping that was made at the wrong moment may be
      // missing. So a crash is worth another attempt; not many, because the function itself may crash.
      const crashed = ended.code === 'ERR_OFFHEAP_PROBE_CRASHED' && crashSignals.has(ended.signal) && attempts < maxCrashes
      const again = ended.code === 'ERR_OFFHEAP_PROBE_DEADLOCK' || crashed
      if (!again || attempts === maxAttempts) {
        const error = failureOf(ended)
        error.attempts = attempts
        throw error
      }
      // A thread that held a lock at the fork may still hold it: on a busy machine it waits for a processor.
      await sleep(2 ** attempts)
      // When it was aborted meanwhile, the native thread has ended, and does not prepare another attempt.
      if (isAborted) throw abortedBy(signal)
      binding.probeAgain(id)
    }
  } finally {
    binding.probeClose(id)
    ignoreAbort()
    ignoreExit()
    // Only now can the next probe start.
    await events.closed
  }
}

/** Forks when V8's helper threads are idle. After many looks it forks although they are busy. */
async function forkWhenQuiet (id, work, timeLeftMs, isAborted) {
  const timeoutMs = Math.max(1, timeLeftMs)
  for (let busy = 0; !isAborted(); busy++) {
    const fork = fromNative(() => binding.probeFork(id, quiesceLimitMs, busy >= maxBusy, timeoutMs, () => inChild(work)))
    if (fork !== null) return fork
    await sleep(Math.min(25, 1 + busy))
  }
  return null
}

/** The native thread's events, as promises. */
class Events {
  #queue = []
  #waiting = null
  #onProgress
  #close

  constructor (onProgress) {
    this.#onProgress = onProgress
    this.closed = new Promise((resolve) => { this.#close = resolve })
  }

  take (event) {
    if (event.kind === 'progress') {
      this.#onProgress?.({ byteLength: event.byteLength })
      return
    }
    if (event.kind === 'closed') return this.#close()
    this.#queue.push(event)
    this.#waiting?.()
  }

  async next (kind) {
    while (this.#queue.length === 0) {
      await new Promise((resolve) => { this.#waiting = resolve })
    }
    const event = this.#queue.shift()
    if (event.kind === 'failed') throw failureOf(event)
    if (event.kind !== kind) throw new OffheapError('ERR_OFFHEAP_INTERNAL', `Internal error in offheap, please report it: expected ${kind}, got ${event.kind}`)
    return event
  }
}

/** The error for a failure that the native thread reports. Where a file failed, its cause looks like an error of Node's. */
function failureOf ({ code, message, errno }) {
  if (errno === undefined) return new OffheapError(code, message)
  const cause = Object.assign(new Error(message), { errno: -errno, code: getSystemErrorName(-errno), syscall: 'write' })
  return new OffheapError(code, message, cause)
}

/** V8's helper threads have no name on Node 20 and 22, but their number is known: --v8-pool-size, by default 4. */
function poolSize () {
  const given = [...(process.env.NODE_OPTIONS ?? '').split(' '), ...process.execArgv]
    .map((argument) => /^--v8-pool-size=(-?\d+)$/.exec(argument)?.[1])
    .filter((value) => value !== undefined)
    .pop()
  const size = given === undefined ? 4 : Number(given)
  return size > 0 ? size : Math.max(1, os.availableParallelism() - 1)
}

module.exports = { run }
