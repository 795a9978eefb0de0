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
  { name: 'bufferTracking', variable: 'OFFHEAP_TRACK_BUFFERS', begin: trackBuffers },
  { name: 'monitor', variable: 'OFFHEAP_SNAPSHOT_AT', begin: startMonitor }
]

class Registration {
  #running = []

  constructor () {
    for (const { name, variable, begin } of PARTS) {
      this[name] = null
      try {
        this[name] = begin(process.env[variable]?.trim() || undefined)
        if (this[name] !== null) this.#running.push(this[name])
      } catch (error) {
        warn(variable, error)
      }
    }
  }

  /** Ends all that was begun; again does nothing. */
  stop () {
    for (const part of this.#running.splice(0)) part.stop()
  }
}

function trackBuffers (value) {
  const wanted = value?.toLowerCase()
  if (wanted === '0' || wanted === 'false' || wanted === 'off') return null
  const { trackBuffers } = require('../index.js')
  if (wanted === undefined || wanted === '1' || wanted === 'true' || wanted === 'on') return trackBuffers()
  const { bytes } = require('./bytes.js')
  return trackBuffers({ sampleIntervalBytes: bytes('OFFHEAP_TRACK_BUFFERS', /^\d+$/.test(value) ? Number(value) : value) })
}

/** 'rss:80%,heapUsed:900MB', with the other variables for where and when. */
function startMonitor (value) {
  // One that watches the process is enough for all threads.
  if (!isMainThread) return null
  const signal = process.env.OFFHEAP_SNAPSHOT_SIGNAL?.trim() || undefined
  if (value === undefined && signal === undefined) return null
  const directory = process.env.OFFHEAP_SNAPSHOT_DIR?.trim() || undefined
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

function warn (name, error) {
  try {
    process.emitWarning(`offheap/register: ${name} has no effect: ${error?.message ?? error}`, { type: 'OffheapWarning', code: error?.code })
  } catch {
    // A process without a way to warn goes on as well.
  }
}

module.exports = register()
