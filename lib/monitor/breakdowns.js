'use strict'

// residentBreakdown() for a Monitor: asked for anew as often as one per cent of the time allows, on another thread, and handed to the next sample.

const { performance } = require('node:perf_hooks')
const { residentBreakdown } = require('../memory/resident-breakdown.js')

/** The part of the time that breakdowns may take: the system's memory is walked, and malloc is locked for a moment. */
const SHARE = 0.01

class Breakdowns {
  #malloc
  #report
  #taken = null
  #isUnderWay = false
  #isStopped = false
  #dueAt = -Infinity

  /**
   * @param {boolean} malloc whether malloc is asked what of its memory is in use
   * @param {(error: Error) => void} report what becomes of a failure
   */
  constructor (malloc, report) {
    this.#malloc = malloc
    this.#report = report
  }

  /** The one that was taken since the last call, or `null`; and asks for the next when it is due. */
  next () {
    const taken = this.#taken
    this.#taken = null
    if (!this.#isUnderWay && performance.now() >= this.#dueAt) this.#take()
    return taken
  }

  /** What is under way is dropped when it comes. */
  stop () {
    this.#isStopped = true
    this.#taken = null
  }

  async #take () {
    this.#isUnderWay = true
    const start = performance.now()
    try {
      const taken = await residentBreakdown({ malloc: this.#malloc })
      if (!this.#isStopped) this.#taken = taken
    } catch (error) {
      if (!this.#isStopped) this.#report(error)
    }
    const end = performance.now()
    this.#dueAt = end + (end - start) * (1 / SHARE - 1)
    this.#isUnderWay = false
  }
}

module.exports = { Breakdowns }
