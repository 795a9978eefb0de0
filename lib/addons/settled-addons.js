'use strict'

// Reads what addons hold without garbage: after a full collection and its finalizers.

const { setImmediate: nextTick, setTimeout: sleep } = require('node:timers/promises')
const { addons, checkSince } = require('./addons.js')
const { checkSupport } = require('./watch.js')
const { collectGarbage } = require('../base/collect-garbage.js')
const { abortedBy, onAbort, throwIfAborted } = require('../base/abort.js')
const { threadId } = require('../base/thread.js')
const { abortSignal, boolean, options: checkOptions } = require('../base/validate.js')

// A finalizer may release another value with a finalizer. That finalizer runs after the next collection.
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
    // Values that this event-loop tick still holds become garbage when the tick ends.
    await nextTick()
    throwIfAborted(signal)
    collectGarbage()
    await finalizers()
    const reading = addons({ since })
    const now = ownFigures(reading.rows)
    if (round === MAX_ROUNDS || (round >= MIN_ROUNDS && now === last)) return reading
    last = now
  }
}

/** Waits for finalizers. Node runs them in a later event-loop tick, and V8 frees memory on another thread. */
async function finalizers () {
  for (let tick = 0; tick < 3; tick++) await nextTick()
  await sleep(1)
}

/** The figures that a collection of this thread can change, as text, to compare two readings. */
function ownFigures (rows) {
  return JSON.stringify(rows.filter((row) => row.threadId === threadId).map(({ stacks, ...row }) => row))
}

/** Registries that wait for a collection. Without this set, V8 would collect the registries themselves. */
const waiting = new Set()

/** Resolves when V8 has ended a full collection that began after this call. Does not keep the process alive. */
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
    // A symbol, for the reason in lib/addons/collected.js.
    registry.register(Symbol('offheap.collection'))
    waiting.add(registry)
  })
}

module.exports = { settledAddons }
