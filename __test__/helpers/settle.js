'use strict'

// Waiting until something is gone: by condition, in bounded rounds, never by a time of the test's own. Node defers finalizers to a
// later turn, so each collection is followed by some; V8 frees ArrayBuffers on a thread of its own, which needs a moment as well.

const ROUNDS = 50
const TURNS = 3
// What is gone after a collection and the turns behind it costs no waiting.
const ROUNDS_WITHOUT_A_WAIT = 3

/** One collection, and the turns in which its finalizers run. */
async function collect () {
  global.gc()
  for (let turn = 0; turn < TURNS; turn++) await new Promise(setImmediate)
}

/** Twenty collections: for what must still be there after them. */
async function collectThoroughly () {
  for (let round = 0; round < 20; round++) await collect()
}

/**
 * Collects garbage and lets finalizers and V8's own threads run until `condition` holds. Fails after 50 rounds.
 * @param {string} what for the message
 * @param {() => boolean | Promise<boolean>} condition
 */
async function settledWhen (what, condition) {
  for (let round = 0; round < ROUNDS; round++) {
    await collect()
    if (round >= ROUNDS_WITHOUT_A_WAIT) await new Promise((resolve) => setTimeout(resolve, 10))
    if (await condition()) return
  }
  throw new Error(`did not settle in ${ROUNDS} rounds: ${what}`)
}

/**
 * What `read` returns, once three rounds in a row return the same: nothing is being freed any more. Not two: what one
 * collection found dead is freed by V8's thread when that has a processor, and by the next collection at the latest.
 * @template T
 * @param {() => T | Promise<T>} read
 * @param {(a: T, b: T) => boolean} [same]
 * @returns {Promise<T>}
 */
async function settledReading (read, same = (a, b) => JSON.stringify(a) === JSON.stringify(b)) {
  let last
  let agreed = 0
  await settledWhen('three readings in a row agree', async () => {
    // Before each reading, and not only after the first rounds: what agrees too early is what nobody has freed yet.
    await new Promise((resolve) => setTimeout(resolve, 10))
    const previous = last
    last = await read()
    agreed = previous !== undefined && same(previous, last) ? agreed + 1 : 0
    return agreed === 2
  })
  return last
}

module.exports = { collect, collectThoroughly, settledReading, settledWhen }
