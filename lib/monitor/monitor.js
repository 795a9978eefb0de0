'use strict'

const EventEmitter = require('node:events')
const timers = require('node:timers')
const { performance } = require('node:perf_hooks')
const { startTracking } = require('../buffers/profile/tracking.js')
const binding = require('../base/load.js')
const { addonSummary } = require('../addons/summary.js')
const { OffheapError, fromNative } = require('../base/errors.js')
const { pastSnapshots } = require('../heap/snapshot-file/folder.js')
const { requestSnapshot } = require('../heap/snapshot-file/write.js')
const { memory } = require('../memory/memory.js')
const { afterMajorCollections } = require('./collections.js')
const { Breakdowns } = require('./breakdowns.js')
const { METRICS, columns, missingIn, needsBreakdown, valueOf } = require('./thresholds.js')

// How long a service whose heap is full waits for the snapshot of that heap: about what V8 spends on its last collections. With
// any other snapshot on its way it dies at once.
const DELAY_ABORT_MS = 30_000

/** Samples memory, and acts when a threshold is crossed; made by start(). See types/monitor.d.ts. */
class Monitor extends EventEmitter {
  // The thresholds' state is native, under this number (src/monitor/detector.rs); undefined once stopped.
  #detector
  #thresholds
  #snapshot
  #history = []
  #historyLength
  #timer
  #ignoreCollections = () => {}
  #processSignal
  #onSignal
  #writing
  // Of addons, when a threshold is about them.
  #watchedAddons
  #warned = new Set()
  #buffers
  // Of the resident set, when a threshold is about it.
  #breakdowns
  #hasBreakdown = false

  /** @param {object} settings checked, from start.js */
  constructor ({ sampleIntervalMs, thresholds, snapshot, processSignal, historyLength, watch, buffers }) {
    super()
    this.#thresholds = thresholds
    this.#snapshot = snapshot
    this.#historyLength = historyLength
    this.#watchedAddons = watch
    this.#detector = fromNative(() => binding.openDetector(
      thresholds.map(({ rule }) => rule),
      snapshot.cooldownMs,
      snapshot.maxPerDay,
      this.#writesAnything() || processSignal !== undefined ? pastAttempts(snapshot.directory) : []
    ))
    try {
      this.#begin(sampleIntervalMs, processSignal, buffers)
    } catch (error) {
      // Nobody gets this Monitor, so nobody could stop it.
      try {
        this.stop()
      } catch {}
      throw error
    }
  }

  #begin (sampleIntervalMs, processSignal, buffers) {
    const tick = () => this.#tick()
    this.#timer = timers.setInterval(tick, sampleIntervalMs)
    this.#timer.unref()
    if (this.#thresholds.some(({ metric, kind }) => metric === 'heapUsed' && kind !== 'growth')) {
      this.#ignoreCollections = afterMajorCollections(tick)
    }
    if (processSignal !== undefined) {
      this.#processSignal = processSignal
      this.#onSignal = () => { this.#write(processSignal, null) }
      process.on(processSignal, this.#onSignal)
    }
    const malloc = needsBreakdown(this.#thresholds)
    if (malloc !== undefined) this.#breakdowns = new Breakdowns(malloc, (error) => this.#report(error))
    if (buffers !== undefined) this.#buffers = startTracking(buffers)
  }

  /** Takes one reading now, with all that follows from it. */
  sample () {
    const sample = { at: new Date().toISOString(), ...memory(), addons: addonSummary(), residentBreakdown: this.#breakdowns?.next() ?? null }
    if (this.#detector === undefined) return sample
    if (this.#history.length >= this.#historyLength) this.#history.shift()
    this.#history.push(sample)
    if (sample.residentBreakdown !== null) this.#firstBreakdown(sample.residentBreakdown)
    this.#deliver('sample', sample)
    for (const { position, value, limit } of this.#observe(sample)) this.#trigger(this.#thresholds[position], value, limit, sample)
    return sample
  }

  /** What of it nobody could know before there was one. */
  #firstBreakdown (breakdown) {
    if (this.#hasBreakdown) return
    this.#hasBreakdown = true
    for (const error of missingIn(this.#thresholds, breakdown)) this.#report(error)
  }

  /** The latest samples, oldest first. */
  history () {
    return [...this.#history]
  }

  /** Ends it: no timer, no listener of ours, no signal handler is left, and a snapshot being written is given up. */
  stop () {
    if (this.#detector === undefined) return
    binding.closeDetector(this.#detector)
    this.#detector = undefined
    timers.clearInterval(this.#timer)
    this.#ignoreCollections()
    this.#buffers?.stop()
    this.#breakdowns?.stop()
    this.#writing?.abort()
    this.#watchedAddons?.stop()
    // Last: on a frozen process it throws.
    if (this.#onSignal !== undefined) process.removeListener(this.#processSignal, this.#onSignal)
  }

  #tick () {
    try {
      this.sample()
    } catch (error) {
      this.#report(error)
    }
  }

  #observe (sample) {
    // A listener of 'sample' may have stopped us.
    if (this.#detector === undefined || this.#thresholds.length === 0) return []
    const { values, bases } = columns(sample, this.#thresholds)
    return fromNative(() => binding.observeSample(this.#detector, performance.now(), values, bases))
  }

  #trigger (breached, value, limit, sample) {
    // A listener of an earlier event of the same sample may have stopped us.
    if (this.#detector === undefined) return
    const { metric, kind, threshold, action } = breached
    const { ofAddon, counts } = METRICS[metric]
    const unit = counts ? 'Count' : 'Bytes'
    const event = {
      metric,
      ...(ofAddon ? { addon: breached.addon } : undefined),
      kind,
      threshold,
      // A percentage of a limit may be a fraction of a byte.
      [`threshold${unit}`]: Math.round(limit),
      [`value${unit}`]: value,
      [`metric${unit}`]: valueOf(breached, sample),
      at: sample.at,
      snapshot: action === 'snapshot' ? this.#mayWrite() : 'off',
      sample
    }
    const starts = event.snapshot === 'started'
    this.#deliver('triggered', event)
    if (starts) this.#write(kind === 'growth' ? `${metric}-growth` : metric, event)
  }

  #writesAnything () {
    return this.#thresholds.some(({ action }) => action === 'snapshot')
  }

  #mayWrite () {
    if (this.#writing !== undefined) return 'in-progress'
    return fromNative(() => binding.checkAction(this.#detector, performance.now())).refusal ?? 'started'
  }

  /** Writes a snapshot; whatever comes of it is told in events. */
  async #write (reason, trigger) {
    // A signal while one is written asks for what is on its way.
    if (this.#detector === undefined || this.#writing !== undefined) return
    const controller = new AbortController()
    this.#writing = controller
    // Failed ones count: what stops the thread for seconds is not tried again at once. A signal is somebody's wish: whoever takes one by hand to compare
    // with waits for the threshold's.
    if (trigger !== null) binding.recordAction(this.#detector, performance.now())
    try {
      // The limits of this Monitor were asked already; cooldownMs here would count the snapshots of others too.
      const settings = {
        ...this.#snapshot,
        cooldownMs: 0,
        delayAbortMs: this.#snapshot.delayAbortMs ?? (trigger?.metric === 'heapUsed' ? DELAY_ABORT_MS : 0),
        reason,
        signal: controller.signal,
        onProgress: (progress) => this.#progress(progress, controller)
      }
      const result = await requestSnapshot(settings)
      this.#writing = undefined
      if (!controller.signal.aborted) this.#deliver('snapshotWritten', { ...result, trigger })
    } catch (error) {
      this.#writing = undefined
      if (!controller.signal.aborted) this.#report(error)
    }
  }

  #progress (progress, { signal }) {
    if (!signal.aborted && this.listenerCount('snapshotProgress') > 0) this.#deliver('snapshotProgress', progress)
  }

  /**
   * Calls the listeners of an event. Not emit(): one that throws would keep the rest from hearing of it, and would
   * surface as an uncaught exception of a timer, which ends the service.
   */
  #deliver (event, value) {
    for (const listener of this.rawListeners(event)) {
      try {
        const result = Reflect.apply(listener, this, [value])
        if (typeof result?.then === 'function') result.then(undefined, (error) => this.#listenerFailed(event, error))
      } catch (error) {
        this.#listenerFailed(event, error)
      }
    }
  }

  #listenerFailed (event, error) {
    const failure = new OffheapError('ERR_OFFHEAP_LISTENER_FAILED', `A listener of the event '${event}' threw: ${error?.message ?? error}`, error)
    // Its own error would go to the listener that just failed.
    if (event === 'error') this.#warn(failure)
    else this.#report(failure)
  }

  /** To the listeners of 'error'; where there are none, a warning, once per code. An 'error' of ours ends no service. */
  #report (error) {
    if (this.listenerCount('error') > 0) this.#deliver('error', error)
    else this.#warn(error)
  }

  #warn (error) {
    const { code = 'ERR_OFFHEAP_INTERNAL', message } = error
    if (this.#warned.has(code)) return
    this.#warned.add(code)
    const cause = error.cause?.stack
    process.emitWarning(`offheap: ${message}`, { type: 'OffheapWarning', code, detail: typeof cause === 'string' ? cause : undefined })
  }
}

// Missing in contexts of node:vm before Node 24.
if (typeof Symbol.dispose === 'symbol') {
  Object.defineProperty(Monitor.prototype, Symbol.dispose, { value: Monitor.prototype.stop, configurable: true, writable: true })
}

/** Snapshots from before this Monitor, on its clock: a restart does not reset the limits. */
function pastAttempts (directory) {
  const offset = performance.now() - Date.now()
  const now = performance.now()
  return pastSnapshots(directory).map((time) => Math.min(time + offset, now))
}

module.exports = { Monitor }
