'use strict'

// What addons hold when garbage is out of the way: after a collection, and after the finalizers that it brought.

const { setImmediate: nextTurn, setTimeout: sleep } = require('node:timers/promises')
const { addons, checkSince, checkSupport } = require('./addons.js')
const { collectGarbage } = require('../base/collect-garbage.js')
const { abortedBy, onAbort, throwIfAborted } = require('../base/abort.js')
const { threadId } = require('node:worker_threads')
const { abortSignal, boolean, options: checkOptions } = require('../base/validate.js')

// A finalizer may release what has a finalizer: that one comes with the next collection.
const MIN_ROUNDS = 2
const MAX_ROUNDS = 5

/**
 * @param {import('../../index.js').SettledAddonsOptions} [options]
 * @returns {Promise<import('../../index.js').AddonsReading>}
 */
async function settledAddons (options) {
  const { since, force = false, signal } = checkOptions('options', options, ['since', 'force', 'signal'])
  checkSince(since)
  boolean('options.force', force)
  if (signal !== undefined) abortSignal('options.signal', signal)
  checkSupport()
  throwIfAborted(signal)
  if (force) return forced(since, signal)
  await nextCollection(signal)
  await finalizers()
  return addons({ since })
}

async function forced (since, signal) {
  let last
  for (let round = 1; ; round++) {
    // What this turn still holds is not garbage before it ends.
    await nextTurn()
    throwIfAborted(signal)
    collectGarbage()
    await finalizers()
    const reading = addons({ since })
    const now = ownFigures(reading.rows)
    if (round === MAX_ROUNDS || (round >= MIN_ROUNDS && now === last)) return reading
    last = now
  }
}

/** Node runs them in a turn of their own, and V8 frees on a thread. */
async function finalizers () {
  for (let turn = 0; turn < 3; turn++) await nextTurn()
  await sleep(1)
}

/** What a collection of this thread can change, to compare. */
function ownFigures (rows) {
  return JSON.stringify(rows.filter((row) => row.threadId === threadId).map(({ stacks, ...row }) => row))
}

/** Those who wait: what is not held would be collected itself. */
const waiting = new Set()

/** Resolves when V8 has done a full collection that began after this call. Keeps no process alive. */
function nextCollection (signal) {
  return new Promise((resolve, reject) => {
    const registry = new FinalizationRegistry(() => done())
    let ignoreAbort = () => {}
    function done (error) {
      waiting.delete(registry)
      ignoreAbort()
      if (error === undefined) resolve()
      else reject(error)
    }
    ignoreAbort = onAbort(signal, () => done(abortedBy(signal)))
    // A symbol, as in addons/collected.js.
    registry.register(Symbol('offheap.collection'))
    waiting.add(registry)
  })
}

module.exports = { settledAddons }
