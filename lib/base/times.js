'use strict'

// Times that more than one room goes by, in ms.

/** The longest that a timer of Node's can wait. */
const LONGEST_MS = 2 ** 31 - 1

/**
 * How long what runs in a child may take where nobody says so, all attempts together. One for all: a child runs at the lowest priority and
 * costs the service nothing but memory, and a snapshot of a large heap takes minutes.
 */
const TIMEOUT_MS = 10 * 60_000

module.exports = { LONGEST_MS, TIMEOUT_MS }
