'use strict'

// The time limit of a census. A census consists of looks: passes of V8 over every object. A look cannot be interrupted, so a census begins a look
// only when there is time for it.

/** A look may take this many times as long as an earlier one, because other processes use the processor too. */
const SAFETY = 1.5
/** Sorting the found objects, in looks. It took up to 0.8 times as long as a look (300,000 Buffers on Node 20 and 24). */
const SORTING = 1
/** The estimate before the first look. A look took 13 to 20 ms per MB of heap. */
const LOOK_MS_PER_MB = 15

class Budget {
  #deadline
  #lookMs
  #isMeasured = false

  /**
   * @param {number} deadline as of performance.now()
   * @param {number} heapBytes the used heap
   */
  constructor (deadline, heapBytes) {
    this.#deadline = deadline
    this.#lookMs = heapBytes / 1e6 * LOOK_MS_PER_MB
  }

  /** Notes how long a look took. The next look is expected to take as long as the longest one. */
  looked (ms) {
    this.#lookMs = this.#isMeasured ? Math.max(this.#lookMs, ms) : ms
    this.#isMeasured = true
  }

  /** Whether there is time for this many more looks, and for sorting the objects that they find. */
  affords (looks) {
    return performance.now() + (looks + SORTING) * SAFETY * this.#lookMs < this.#deadline
  }
}

module.exports = { Budget }
