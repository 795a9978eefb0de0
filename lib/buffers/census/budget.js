'use strict'

// The time that a census may take. What it is made of, V8's look at every object, cannot be interrupted: so the next look is
// begun only if there is time for it.

/** What comes may take so much longer than what was: other processes want the processor as well. */
const SAFETY = 1.5
/** Sorting what was found took up to 0.8 times as long as finding it (300,000 Buffers on Node 20 and 24). */
const SORTING = 1
/** Before the first look: it took 13 to 20 ms per MB of heap. */
const LOOK_MS_PER_MB = 15

class Budget {
  #deadline
  #lookMs
  #isMeasured = false

  /**
   * @param {number} deadline as of performance.now()
   * @param {number} heapBytes what there is to look at
   */
  constructor (deadline, heapBytes) {
    this.#deadline = deadline
    this.#lookMs = heapBytes / 1e6 * LOOK_MS_PER_MB
  }

  /** How long a look took: the longest so far is what the next is expected to take. */
  looked (ms) {
    this.#lookMs = this.#isMeasured ? Math.max(this.#lookMs, ms) : ms
    this.#isMeasured = true
  }

  /** Whether there is time for this many more looks, and for sorting what they find. */
  affords (looks) {
    return performance.now() + (looks + SORTING) * SAFETY * this.#lookMs < this.#deadline
  }
}

module.exports = { Budget }
