'use strict'

// Calls residentBreakdown() for a Monitor, as often as 1 % of the time allows. It runs on another thread; the next sample gets the result.

const { performance } = require('node:perf_hooks')
const { residentBreakdown } = require('../memory/resident-breakdown.js')

/** The share of the time that breakdowns may take: the kernel walks the process's memory, and malloc locks its arenas for a moment. */
const SHARE = 0.01

class Breakdowns {
  #malloc
  #report
  #taken = null
  #isRunning = false
  #isStopped = false
  #dueAt = -Infinity

  /**
   * @param {boolean} malloc whether malloc is asked how much of its memory is in use
   * @param {(error: Error) => void} report called when a breakdown fails
   */
  constructor (malloc, report) {
    this.#malloc = malloc
    this.#report = report
  }

  /** Returns the breakdown that finished since the last call, or `null`. Begins the next one when it is due. */
  next () {
    const taken = this.#taken
    this.#taken = null
    if (!this.#isRunning && performance.now() >= this.#dueAt) this.#take()
    return taken
  }

  /** A breakdown that is running is discarded when it finishes. */
  stop () {
    this.#isStopped = true
    this.#taken = null
  }

  async #take () {
    this.#isRunning = true
    const start = performance.now()
    try {
      const taken = await residentBreakdown({ malloc: this.#malloc })
      if (!this.#isStopped) this.#taken = taken
    } catch (error) {
      if (!this.#isStopped) this.#report(error)
    }
    const end = performance.now()
    this.#dueAt = end + (end - start) * (1 / SHARE - 1)
    this.#isRunning = false
  }
}

module.exports = { Breakdowns }
