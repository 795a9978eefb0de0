'use strict'

// Waiting for something to come about that no collection brings: by condition, in bounded rounds.

const ROUNDS = 3000
// What only needs turns of the event loop costs no waiting.
const ROUNDS_WITHOUT_A_WAIT = 1000

/**
 * What `condition` returns, once that is something. Fails after 3000 rounds, of which the last 2000 wait for 10 ms each.
 * @template T
 * @param {string} what for the message
 * @param {() => T | Promise<T>} condition
 * @returns {Promise<T>}
 */
async function until (what, condition) {
  for (let round = 0; round < ROUNDS; round++) {
    const value = await condition()
    if (value) return value
    await new Promise((resolve) => {
      if (round < ROUNDS_WITHOUT_A_WAIT) setImmediate(resolve)
      else setTimeout(resolve, 10)
    })
  }
  throw new Error(`did not come about: ${what}`)
}

module.exports = { until }
