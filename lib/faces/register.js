'use strict'

// offheap/register: for `node -r`, `node --import` and NODE_OPTIONS. Switches on what the environment variables request, in the main thread and
// in every worker. An error never stops the service from starting: a process warning says which value is not used, and why.

const fs = require('node:fs')
const os = require('node:os')
const { isMainThread } = require('node:worker_threads')
const { readVariables, unused } = require('./register/variables.js')
const { bytes } = require('../base/format.js')
const { warn } = require('../base/warn.js')

// The key of the one registration of this thread; there may be several copies of this file.
const REGISTERED = Symbol.for('offheap.registered')

const STDERR = 2

function register () {
  const known = globalThis[REGISTERED]?.deref()
  if (known !== undefined) return known
  const registration = new Registration()
  // The global object has a weak reference only, and the addon retains the registration. With a strong one, the shortest paths of a heap snapshot
  // would lead from the global object through offheap's modules to all other modules of the service.
  require('../base/load.js').threadState.registration = registration
  Object.defineProperty(globalThis, REGISTERED, { value: new WeakRef(registration), configurable: true })
  return registration
}

// The parts that can be switched on. Each part begins independently: when one fails, the others begin. `begin` returns an object with stop(), or
// null when the part is switched off.
const PARTS = [
  { name: 'addonWatch', begin: watchEveryAddon, without: 'OFFHEAP_ADDONS=0 leaves this out' },
  { name: 'bufferTracking', begin: trackBuffers, without: 'OFFHEAP_TRACK_BUFFERS=0 leaves this out' },
  { name: 'monitor', begin: startMonitor, without: 'no snapshot is written at a threshold or a signal' }
]

class Registration {
  #running = []
  #warned = new Set()

  constructor () {
    const wanted = readVariables(process.env)
    for (const problem of wanted.problems) this.#warn(problem)
    for (const { name, begin, without } of PARTS) {
      this[name] = null
      try {
        this[name] = begin(wanted, (problem) => this.#warn(problem))
        if (this[name] !== null) this.#running.push(this[name])
      } catch ({ message, code }) {
        // One cause may make all parts fail. It is reported once.
        if (!this.#warned.has(message)) this.#warn({ message: `${message}; ${without}`, code })
        this.#warned.add(message)
      }
    }
  }

  /** Warns once per message, and in the main thread only, because every worker has the same environment. */
  #warn ({ message, code }) {
    if (!isMainThread || this.#warned.has(message)) return
    this.#warned.add(message)
    warn(`offheap/register: ${message}`, { code })
  }

  /** Ends all parts that began; a second call does nothing. */
  stop = () => {
    for (const part of this.#running.splice(0)) part.stop()
  }
}

/** The first thread begins the watch, for all threads. */
function watchEveryAddon ({ addons }) {
  const { isWatching, watchAddons } = require('../addons/addons.js')
  return addons && !isWatching() ? watchAddons() : null
}

function trackBuffers ({ buffers }) {
  if (buffers === false) return null
  const { trackBuffers } = require('../../index.js')
  return buffers === true ? trackBuffers() : trackBuffers({ sampleIntervalBytes: buffers })
}

/** Starts a Monitor in the main thread. One Monitor is enough for the process. */
function startMonitor ({ thresholds, signal, directory }, warn) {
  if (!isMainThread || (thresholds.length === 0 && signal === undefined)) return null
  // When nothing works, this throws, so that the reason is reported once and not for each threshold.
  require('../memory/memory.js').memory()
  const { checkThreshold } = require('../monitor/start.js')
  const { checkSignal } = require('../monitor/signals.js')
  /** Whether `check` passes. A wrong threshold must not disable the signal: without its listener, the signal would end the service. */
  const works = (variable, text, check) => {
    try {
      check()
      return true
    } catch (error) {
      warn(unused(variable, text, error))
      return false
    }
  }
  const wanted = new Map()
  for (const { metric, limit, text } of thresholds) {
    if (!works('OFFHEAP_SNAPSHOT_AT', text, () => checkThreshold('OFFHEAP_SNAPSHOT_AT', metric, limit))) continue
    // A metric may have several thresholds.
    wanted.set(metric, [...(wanted.get(metric) ?? []), limit])
  }
  const listens = signal !== undefined && works('OFFHEAP_SNAPSHOT_SIGNAL', signal, () => checkSignal('OFFHEAP_SNAPSHOT_SIGNAL', signal))
  if (wanted.size === 0 && !listens) return null
  const monitor = require('../../index.js').start({
    thresholds: Object.fromEntries(wanted),
    snapshot: { ...(listens && { processSignal: signal }), ...(directory !== undefined && { directory }) }
  })
  return monitor.on('snapshotWritten', logWritten).on('triggered', logRefused)
}

function logWritten ({ file, byteLength, pauseMs }) {
  log(`heap snapshot ${file}, ${bytes(byteLength)}, the thread paused ${pauseMs.toFixed(1)} ms`)
}

const REFUSALS = { cooldown: 'the last one began less than 30 minutes ago', 'daily-limit': 'the limit of 6 in 24 hours is reached' }

/** Logs that a limit forbids a snapshot. The threshold does not fire again until the metric has fallen, so there will be no snapshot of this breach. */
function logRefused ({ metric, valueBytes, valueCount, snapshot }) {
  const value = valueBytes === undefined ? String(valueCount) : bytes(valueBytes)
  if (REFUSALS[snapshot] !== undefined) log(`${metric} is at ${value}, over its limit; no heap snapshot was written: ${REFUSALS[snapshot]}`)
}

/** Writes one line to stderr, for an operator who sent the signal or reads the log. */
function log (text) {
  try {
    // It does not use process.stderr, because the service may have replaced that. A closed stderr must not become an error of the service.
    if (raisesNoSignal()) fs.writeSync(STDERR, `offheap: ${text}\n`)
  } catch {
    // stderr is closed.
  }
}

/**
 * Whether a write to stderr cannot raise SIGPIPE. A pipe without a reader raises that signal. Node ignores it. But a service that has had a
 * listener for SIGPIPE no longer ignores it: the signal would end the service, or call its listener. Files and terminals never raise it.
 */
function raisesNoSignal () {
  const stderr = fs.fstatSync(STDERR)
  if (stderr.isFile() || stderr.isCharacterDevice()) return true
  const ignored = /^SigIgn:\s*([0-9a-f]+)$/m.exec(fs.readFileSync('/proc/self/status', 'latin1'))
  return (BigInt(`0x${ignored[1]}`) >> BigInt(os.constants.signals.SIGPIPE - 1) & 1n) === 1n
}

// Node finds the names for `import { monitor } from 'offheap/register'` in the text of this line. All copies of this file export one object.
exports.addonWatch = exports.bufferTracking = exports.monitor = exports.stop = undefined
module.exports = register()
