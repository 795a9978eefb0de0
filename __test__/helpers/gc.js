'use strict'

// Awaiting a collection by condition: bounded rounds, no sleeps. Node defers finalizers to a later turn, so each round ends
// with some.

const ROUNDS = 20
const TURNS = 3

/**
 * Collects garbage until `condition` holds; fails after 20 rounds.
 * @param {string} what for the message
 * @param {() => boolean} condition
 */
async function collectedWhen (what, condition) {
  for (let round = 0; round < ROUNDS; round++) {
    await collect()
    if (condition()) return
  }
  throw new Error(`not after ${ROUNDS} collections: ${what}`)
}

/** One collection, and the turns in which its finalizers run. */
async function collect () {
  global.gc()
  for (let i = 0; i < TURNS; i++) await new Promise(setImmediate)
}

/** As many collections as `collectedWhen` would have tried: for what must still be there after them. */
async function collectThoroughly () {
  for (let round = 0; round < ROUNDS; round++) await collect()
}

module.exports = { collect, collectThoroughly, collectedWhen }
