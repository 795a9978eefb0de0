'use strict'

// offheap/register: for `node -r` and `node --import`, and NODE_OPTIONS. Switches on what the environment asks for, in the main thread
// and in every worker. Whatever is wrong with it, the service starts: a warning says what is not used, and why.

const fs = require('node:fs')
const os = require('node:os')
const { isMainThread } = require('node:worker_threads')
const { readVariables, unused } = require('./register/variables.js')
const { bytes } = require('../base/format.js')

// One for the thread, however many copies of this file there are.
const REGISTERED = Symbol.for('offheap.registered')

const STDERR = 2

function register () {
  const known = globalThis[REGISTERED]?.deref()
  if (known !== undefined) return known
  const registration = new Registration()
  // Weak, and held by the addon: in a heap snapshot the shortest path to half of a service would lead from the global object through our
  // modules to all others.
  require('../base/load.js').threadState.registration = registration
  Object.defineProperty(globalThis, REGISTERED, { value: new WeakRef(registration), configurable: true })
  return registration
}

// A row for each thing that can be switched on, begun by itself: what fails with one leaves the others on. It gives something with a
// stop(), or null when it is not wanted.
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
        // It keeps all parts from working, and is said once.
        if (!this.#warned.has(message)) this.#warn({ message: `${message}; ${without}`, code })
        this.#warned.add(message)
      }
    }
  }

  /** Every worker would say it again. */
  #warn ({ message, code }) {
    if (!isMainThread || this.#warned.has(message)) return
    this.#warned.add(message)
    process.emitWarning(`offheap/register: ${message}`, { type: 'OffheapWarning', code })
  }

  /** Ends all that was begun; again does nothing. */
  stop = () => {
    for (const part of this.#running.splice(0)) part.stop()
  }
}

/** For all threads: begun by whichever comes first. */
function watchEveryAddon ({ addons }) {
  const { isWatching, watchAddons } = require('../addons/addons.js')
  return addons && !isWatching() ? watchAddons() : null
}

function trackBuffers ({ buffers }) {
  if (buffers === false) return null
  const { trackBuffers } = require('../../index.js')
  return buffers === true ? trackBuffers() : trackBuffers({ sampleIntervalBytes: buffers })
}

/** One that watches the process is enough for all threads. */
function startMonitor ({ thresholds, signal, directory }, warn) {
  if (!isMainThread || (thresholds.length === 0 && signal === undefined)) return null
  // What keeps all of it from working is said once, and not of each threshold.
  require('../memory/memory.js').memory()
  const { checkThreshold } = require('../monitor/start.js')
  const { checkSignal } = require('../monitor/signals.js')
  /** Whether `check` finds nothing wrong. Each thing by itself: without its listener a signal that was to write a snapshot ends the service. */
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
    // Several of a metric are fine.
    wanted.set(metric, [...(wanted.get(metric) ?? []), limit])
  }
  const listens = signal !== undefined && works('OFFHEAP_SNAPSHOT_SIGNAL', signal, () => checkSignal('OFFHEAP_SNAPSHOT_SIGNAL', signal))
  if (wanted.size === 0 && !listens) return null
  const monitor = require('../../index.js').start({
    thresholds: Object.fromEntries(wanted),
    snapshot: { ...(listens && { processSignal: signal }), ...(directory !== undefined && { directory }) }
  })
  return monitor.on('snapshotWritten', sayWritten).on('triggered', sayHeldBack)
}

function sayWritten ({ file, byteLength, pauseMs }) {
  say(`heap snapshot ${file}, ${bytes(byteLength)}, the thread paused ${pauseMs.toFixed(1)} ms`)
}

const HELD_BACK = { cooldown: 'the last one was begun less than 30 minutes ago', 'daily-limit': 'there were as many as there may be in 24 hours' }

/** A threshold fires once, until the metric has come down: what is not written then is not written at all. */
function sayHeldBack ({ metric, valueBytes, valueCount, snapshot }) {
  const value = valueBytes === undefined ? String(valueCount) : bytes(valueBytes)
  if (HELD_BACK[snapshot] !== undefined) say(`${metric} is over its limit, at ${value}; no heap snapshot: ${HELD_BACK[snapshot]}`)
}

/** One line for whoever sent the signal, or reads the log of the night. */
function say (text) {
  try {
    // Not through process.stderr: a service may have put something of its own there, and a closed one is none of its errors.
    if (raisesNoSignal()) fs.writeSync(STDERR, `offheap: ${text}\n`)
  } catch {
    // Nobody reads it.
  }
}

/**
 * Whether a write to stderr raises no SIGPIPE where nobody reads any more. Node ignores that signal; a service that has had a listener for it
 * does not, and would be ended, or would hear of a pipe that is none of its own. Files and terminals have no such end.
 */
function raisesNoSignal () {
  const stderr = fs.fstatSync(STDERR)
  if (stderr.isFile() || stderr.isCharacterDevice()) return true
  const ignored = /^SigIgn:\s*([0-9a-f]+)$/m.exec(fs.readFileSync('/proc/self/status', 'latin1'))
  return (BigInt(`0x${ignored[1]}`) >> BigInt(os.constants.signals.SIGPIPE - 1) & 1n) === 1n
}

// For `import { monitor } from 'offheap/register'`: Node looks for the names in this text. One object for all copies of this file.
exports.addonWatch = exports.bufferTracking = exports.monitor = exports.stop = undefined
module.exports = register()
