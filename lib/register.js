'use strict'

// offheap/register: for `node -r` and `node --import`, and NODE_OPTIONS. Switches on what the environment asks for, in the main thread
// and in every worker. Whatever is wrong with it, the service starts: a warning says what was left out.

const { isMainThread } = require('node:worker_threads')

// One for the thread, however many copies of this file there are.
const REGISTERED = Symbol.for('offheap.registered')

function register () {
  if (globalThis[REGISTERED] !== undefined) return globalThis[REGISTERED]
  const registration = new Registration()
  Object.defineProperty(globalThis, REGISTERED, { value: registration, configurable: true })
  return registration
}

// A row for each thing that can be switched on (watchAddons() will be one more), begun by itself: a wrong value of one leaves the
// others on. It gives something with a stop(), or null when it is not wanted.
const PARTS = [
  { name: 'addonWatch', variables: ['OFFHEAP_ADDONS'], begin: watchEveryAddon },
  { name: 'bufferTracking', variables: ['OFFHEAP_TRACK_BUFFERS'], begin: trackBuffers },
  { name: 'monitor', variables: ['OFFHEAP_SNAPSHOT_AT', 'OFFHEAP_SNAPSHOT_SIGNAL'], begin: startMonitor }
]

const SWITCH = new Map([['0', false], ['false', false], ['off', false], ['1', true], ['true', true], ['on', true]])

class Registration {
  #running = []
  #warned = new Set()

  constructor () {
    for (const { name, variables, begin } of PARTS) {
      this[name] = null
      try {
        this[name] = begin(valueOf(variables[0]))
        if (this[name] !== null) this.#running.push(this[name])
      } catch (error) {
        this.#warn(variables, error)
      }
    }
  }

  /** Every worker would say it again, and every part what keeps all of them from working. */
  #warn (variables, { message, code }) {
    if (!isMainThread || this.#warned.has(message)) return
    this.#warned.add(message)
    const set = variables.find((variable) => valueOf(variable) !== undefined)
    const text = set === undefined ? `${message}; ${variables[0]}=0 leaves this out` : `${set} has no effect: ${message}`
    process.emitWarning(`offheap/register: ${text}`, { type: 'OffheapWarning', code })
  }

  /** Ends all that was begun; again does nothing. */
  stop () {
    for (const part of this.#running.splice(0)) part.stop()
  }
}

function valueOf (variable) {
  return process.env[variable]?.trim() || undefined
}

/** For all threads: begun by whichever comes first. */
function watchEveryAddon (value) {
  const wanted = value === undefined ? true : SWITCH.get(value.toLowerCase())
  if (wanted === undefined) throw require('./validate.js').invalidValue('OFFHEAP_ADDONS', '"1" or "0"', value)
  const { isWatching, watchAddons } = require('./addons.js')
  return wanted && !isWatching() ? watchAddons() : null
}

function trackBuffers (value) {
  const wanted = value === undefined ? true : SWITCH.get(value.toLowerCase())
  if (wanted === false) return null
  const { trackBuffers } = require('../index.js')
  if (wanted === true) return trackBuffers()
  const { bytes } = require('./bytes.js')
  return trackBuffers({ sampleIntervalBytes: bytes('OFFHEAP_TRACK_BUFFERS', /^\d+$/.test(value) ? Number(value) : value) })
}

/** 'rss:80%,heapUsed:900MB', with the other variables for where and when. */
function startMonitor (value) {
  // One that watches the process is enough for all threads.
  if (!isMainThread) return null
  const signal = valueOf('OFFHEAP_SNAPSHOT_SIGNAL')
  if (value === undefined && signal === undefined) return null
  const directory = valueOf('OFFHEAP_SNAPSHOT_DIR')
  return require('../index.js').start({
    ...(value === undefined ? {} : { snapshotAt: thresholds('OFFHEAP_SNAPSHOT_AT', value) }),
    ...(signal === undefined ? {} : { signal }),
    ...(directory === undefined ? {} : { snapshot: { directory } })
  })
}

function thresholds (name, value) {
  const { invalidValue } = require('./validate.js')
  const parsed = new Map()
  for (const part of value.split(',')) {
    const [metric, limit, more] = part.split(':').map((word) => word.trim())
    if (!metric || !limit || more !== undefined) throw invalidValue(name, 'metrics with limits, such as "rss:80%,heapUsed:900MB"', value)
    const threshold = /^\d+$/.test(limit) ? Number(limit) : limit
    // Several of a metric are fine.
    parsed.set(metric, [...(parsed.get(metric) ?? []), threshold])
  }
  return Object.fromEntries(parsed)
}

module.exports = register()
