'use strict'

// offheap/register: for `node -r`, `node --import` and NODE_OPTIONS. Switches on what the environment variables request, in the main thread and
// in every worker. An error never stops the service from starting: a process warning says which value is not used, and why.

const binding = require('../base/load.js')
const { isMainThread } = require('../base/thread.js')
const { warn } = require('../base/warn.js')
const { readVariables } = require('./register/variables.js')

// The key of the one registration of this thread; there may be several copies of this file.
const REGISTERED = Symbol.for('offheap.registered')

function register () {
  const known = globalThis[REGISTERED]?.deref()
  if (known !== undefined) return known
  const registration = new Registration()
  // The global object has a weak reference only, and the addon retains the registration. With a strong one, the shortest paths of a heap snapshot
  // would lead from the global object through offheap's modules to all other modules of the service.
  binding.threadState.registration = registration
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

/** The first thread begins the watch, for all threads. The others need no file for that; and other platforms lack the function that is asked. */
function watchEveryAddon ({ addons }) {
  if (!addons || binding.watchIsOn?.()) return null
  return require('../addons/watch.js').watchAddons()
}

function trackBuffers ({ buffers }) {
  if (buffers === false) return null
  const { trackBuffers } = require('../buffers/track-buffers.js')
  return buffers === true ? trackBuffers() : trackBuffers({ sampleIntervalBytes: buffers })
}

/** Starts a Monitor in the main thread. One Monitor is enough for the process. */
function startMonitor (wanted, warn) {
  if (!isMainThread || (wanted.thresholds.length === 0 && wanted.signal === undefined)) return null
  return require('./register/monitor.js').startMonitor(wanted, warn)
}

// Node finds the names for `import { monitor } from 'offheap/register'` in the text of this line. All copies of this file export one object.
exports.addonWatch = exports.bufferTracking = exports.monitor = exports.stop = undefined
module.exports = register()
