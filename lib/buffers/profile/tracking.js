'use strict'

// Switches the sampling of Buffers on and off. lib/buffers/main-realm.js takes the samples.

const binding = require('../../base/load.js')
const { bufferState } = require('../pool.js')
const { enclosingRoute } = require('../../external/route-context.js')

/** The functions of Buffer that can be wrapped. */
const NAMES = ['from', 'alloc', 'allocUnsafe', 'allocUnsafeSlow', 'concat', 'copyBytesFrom']

class BufferTracking {
  #user = {}
  #active = true

  constructor (settings) {
    bufferState().start(this.#user, settings)
  }

  get active () {
    return this.#active
  }

  stop () {
    this.#active = false
    bufferState().stop(this.#user)
  }
}

// Contexts of node:vm lack Symbol.dispose before Node 24.
if (typeof Symbol.dispose === 'symbol') {
  Object.defineProperty(BufferTracking.prototype, Symbol.dispose, { value: BufferTracking.prototype.stop, configurable: true, writable: true })
}

/**
 * @param {{ sampleIntervalBytes: number, functions: string[], stackDepth: number, maxOverhead: number }} settings checked
 * @param {number} [seed] for tests: the same seed samples the same
 */
function startTracking (settings, seed = Math.random()) {
  return new BufferTracking({ ...settings, seed, route: countRoute })
}

/** Counts a sample under the route that is being served. Returns whether there is one. */
function countRoute (id) {
  const route = enclosingRoute()
  if (route === undefined) return false
  const key = route.key()
  if (key === 0) route.defer(id, binding.changeSampleRoute)
  else binding.changeSampleRoute(id, key)
  return true
}

module.exports = { NAMES, startTracking }
