'use strict'

// Times that more than one room uses, in ms.

/** The longest delay of a Node timer. */
const LONGEST_MS = 2 ** 31 - 1

/**
 * The default time limit of work in a child, for all attempts together. It is the same for all functions: a child runs at the lowest priority
 * and costs the service only memory, and a snapshot of a large heap takes minutes.
 */
const TIMEOUT_MS = 10 * 60_000

module.exports = { LONGEST_MS, TIMEOUT_MS }
