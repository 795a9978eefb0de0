'use strict'

// Waiting for memory to go away: by condition, in bounded rounds, never by time.

/**
 * Collects garbage and lets finalizers and V8's own threads run until `condition` holds. Fails after 50 rounds.
 * @param {string} what for the message
 * @param {() => boolean | Promise<boolean>} condition
 */
async function settledWhen (what, condition) {
  for (let round = 0; round < 50; round++) {
    global.gc()
    // V8 frees ArrayBuffers on another thread, which needs a moment of its own after each collection.
    await new Promise((resolve) => setTimeout(resolve, 10))
    if (await condition()) return
  }
  throw new Error(`did not settle: ${what}`)
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
    const previous = last
    last = await read()
    agreed = previous !== undefined && same(previous, last) ? agreed + 1 : 0
    return agreed === 2
  })
  return last
}

module.exports = { settledReading, settledWhen }
