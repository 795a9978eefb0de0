'use strict'

// The one policy of a census and of a snapshot: in the probe's child, or else here, in the process.

const { OffheapError } = require('../base/errors.js')
const { inTurn } = require('./in-turn.js')
const { unsupportedReason } = require('./supported.js')

/**
 * Failures after which the same work may succeed in the process. Not among them: no headroom and a crashed child (the
 * process would die of what the child was spared or died of), a timeout (the service would stand still for as long), and
 * whatever the disk did.
 */
const worthAnotherWay = new Set(['ERR_OFFHEAP_UNSUPPORTED_PLATFORM', 'ERR_OFFHEAP_PROBE_FAILED', 'ERR_OFFHEAP_PROBE_DEADLOCK'])

/**
 * `'probe'`: in the child. `'in-process'`: here. `'auto'`: in the child, and with `fallback` here, where the child could not do it.
 * @template T
 * @param {{ mode: 'auto' | 'probe' | 'in-process', fallback: boolean }} wish checked
 * @param {object} work
 * @param {[string, string]} work.said for the error where there is no probe: what is made, and the verb for it (`['A census', 'take']`)
 * @param {number} work.timeoutMs to wait for the turn and for the child
 * @param {AbortSignal} [work.signal]
 * @param {(timeLeftMs: number) => Promise<T>} work.inChild
 * @param {() => T | Promise<T>} work.here stops the service while it runs
 * @returns {Promise<T>}
 */
async function childOrHere ({ mode, fallback }, { said: [what, verb], timeoutMs, signal, inChild, here }) {
  if (mode === 'in-process') return here()
  try {
    const reason = unsupportedReason()
    if (reason !== null) {
      throw new OffheapError('ERR_OFFHEAP_UNSUPPORTED_PLATFORM',
        `${what} that does not stop the service is not possible here: ${reason}. Pass fallback: true, or mode: 'in-process', to ${verb} one that does`)
    }
    return await inTurn(signal, timeoutMs, inChild)
  } catch (error) {
    if (mode !== 'auto' || !fallback || !worthAnotherWay.has(error.code)) throw error
    return here()
  }
}

module.exports = { childOrHere }
