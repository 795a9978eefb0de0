'use strict'

const EventEmitter = require('node:events')
const timers = require('node:timers')
const { performance } = require('node:perf_hooks')
const { startTracking } = require('../buffers/profile/tracking.js')
const binding = require('../base/load.js')
const { addonSummary } = require('../addons/summary.js')
const { OffheapError, fromNative, messageOf } = require('../base/errors.js')
const { warn } = require('../base/warn.js')
const { pastSnapshots } = require('../heap/snapshot-file/retention.js')
const { requestSnapshot } = require('../heap/snapshot-file/write.js')
const { memory } = require('../memory/memory.js')
const { afterMajorCollections } = require('./collections.js')
const { Breakdowns } = require('./breakdowns.js')
const { METRICS, columns, missingIn, needsBreakdown, valueOf } = require('./thresholds.js')

// How long a service with a full heap waits for the snapshot of that heap: about the time of V8's last collections. During any other
// snapshot the service dies at once.
const DELAY_ABORT_MS = 30_000

/** Samples memory, and acts when a threshold is crossed; made by start(). See types/monitor.d.ts. */
class Monitor extends EventEmitter {
  // The number of the thresholds' state, which is native (src/monitor/detector.rs); undefined after stop().
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
  // The watch of addons, when a threshold needs it.
  #addonWatch
  #warned = new Set()
  #buffers
  // Breakdowns of the resident set, when a threshold needs them.
  #breakdowns
  #hasBreakdown = false

  /** @param {object} settings checked, from start.js */
  constructor ({ sampleIntervalMs, thresholds, snapshot, processSignal, historyLength, watch, buffers }) {
    super()
    this.#thresholds = thresholds
    this.#snapshot = snapshot
    this.#historyLength = historyLength
    this.#addonWatch = watch
    this.#detector = fromNative(() => binding.openDetector(
      thresholds.map(({ rule }) => rule),
      snapshot.cooldownMs,
      snapshot.maxPerDay,
      this.#writesAnything() || processSignal !== undefined ? pastAttempts(snapshot.directory) : []
    ))
    try {
      this.#begin(sampleIntervalMs, processSignal, buffers)
    } catch (error) {
      // The constructor throws, so the caller has no Monitor to stop.
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

  /** Takes one sample now, delivers it, and checks the thresholds. */
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

  /** Reports thresholds whose figure is missing. Only the first breakdown shows this. */
  #firstBreakdown (breakdown) {
    if (this.#hasBreakdown) return
    this.#hasBreakdown = true
    for (const error of missingIn(this.#thresholds, breakdown)) this.#report(error)
  }

  /** The latest samples, oldest first. */
  history () {
    return [...this.#history]
  }

  /** Ends the Monitor: removes its timer, listeners and signal handler, and aborts a snapshot that is being written. */
  stop () {
    if (this.#detector === undefined) return
    binding.closeDetector(this.#detector)
    this.#detector = undefined
    timers.clearInterval(this.#timer)
    this.#ignoreCollections()
    this.#buffers?.stop()
    this.#breakdowns?.stop()
    this.#writing?.abort()
    this.#addonWatch?.stop()
    // Last, because it throws when the process object is frozen.
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
    // A listener of 'sample' may have stopped this Monitor.
    if (this.#detector === undefined || this.#thresholds.length === 0) return []
    const { values, bases } = columns(sample, this.#thresholds)
    return fromNative(() => binding.observeSample(this.#detector, performance.now(), values, bases))
  }

  #trigger (breached, value, limit, sample) {
    // A listener of an earlier event of the same sample may have stopped this Monitor.
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

  /** Writes a snapshot. Events report its progress, its result or its error. */
  async #write (reason, trigger) {
    // When a signal arrives while a snapshot is being written, that snapshot is the answer to it.
    if (this.#detector === undefined || this.#writing !== undefined) return
    const controller = new AbortController()
    this.#writing = controller
    // A failed attempt counts too, because an attempt may stop the thread for seconds. An attempt by signal does not count: an operator who takes
    // a snapshot to compare with must not block the threshold's snapshot.
    if (trigger !== null) binding.recordAction(this.#detector, performance.now())
    try {
      // This Monitor has already checked its limits. A cooldownMs here would also count snapshots of other callers.
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
   * Calls the listeners of an event. With emit(), a listener that throws would keep the others from being called, and its error would be an
   * uncaught exception of a timer, which ends the service.
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
    const failure = new OffheapError('ERR_OFFHEAP_LISTENER_FAILED', `A listener of the event '${event}' threw: ${messageOf(error)}`, error)
    // The listener that just failed would get its own error.
    if (event === 'error') this.#warn(failure)
    else this.#report(failure)
  }

  /** Delivers an error to the listeners of 'error'. Without listeners it is a process warning, once per code, so that it does not end the service. */
  #report (error) {
    if (this.listenerCount('error') > 0) this.#deliver('error', error)
    else this.#warn(error)
  }

  #warn (error) {
    const { code = 'ERR_OFFHEAP_INTERNAL', message } = error
    if (this.#warned.has(code)) return
    this.#warned.add(code)
    const cause = error.cause?.stack
    warn(`offheap: ${message}`, { code, detail: typeof cause === 'string' ? cause : undefined })
  }
}

// Missing in contexts of node:vm before Node 24.
if (typeof Symbol.dispose === 'symbol') {
  Object.defineProperty(Monitor.prototype, Symbol.dispose, { value: Monitor.prototype.stop, configurable: true, writable: true })
}

/** When earlier snapshots were begun, on the clock of this Monitor. With them, a restart does not reset the limits. */
function pastAttempts (directory) {
  const offset = performance.now() - Date.now()
  const now = performance.now()
  return pastSnapshots(directory).map((time) => Math.min(time + offset, now))
}

module.exports = { Monitor }
