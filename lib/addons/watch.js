'use strict'

// watchAddons() patches every addon. It is in a file of its own: offheap/register needs nothing of what reads the figures.

const binding = require('../base/load.js')
const { OffheapError, fromNative } = require('../base/errors.js')
const { everyNth } = require('./stacks.js')
const { unsupportedReason } = require('./supported.js')
require('../base/thread.js') // tells the native side which thread this is
const { boolean, options: checkOptions } = require('../base/validate.js')

/** One watch of all addons, in all threads. The last watch to stop removes the hooks. */
class AddonWatch {
  #isActive = true

  get active () {
    return this.#isActive
  }

  stop () {
    if (!this.#isActive) return
    this.#isActive = false
    fromNative(() => binding.watchStop())
  }

  [Symbol.dispose ?? Symbol.for('Symbol.dispose')] () {
    this.stop()
  }
}

/** @param {import('../../index.js').WatchAddonsOptions} [options] */
function watchAddons (options) {
  const { buffers = false, stacks } = checkOptions('options', options, ['buffers', 'stacks'])
  boolean('options.buffers', buffers)
  const sampled = everyNth(stacks)
  checkSupport()
  fromNative(() => binding.watchStart(buffers, sampled))
  return new AddonWatch()
}

function checkSupport () {
  const reason = unsupportedReason()
  if (reason !== null) throw new OffheapError('ERR_OFFHEAP_UNSUPPORTED_PLATFORM', `Addons cannot be watched: ${reason}`)
}

/** Whether addons are watched. Cheap. */
function isWatching () {
  // Other platforms lack this function.
  return binding.watchIsOn?.() ?? false
}

module.exports = { checkSupport, isWatching, watchAddons }
