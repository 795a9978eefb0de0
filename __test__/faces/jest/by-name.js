'use strict'

const { default: Sequencer } = require('@jest/test-sequencer')

/** Files in the order of their names: the second of the two `registry-…` files looks at what the first one left. */
module.exports = class ByName extends Sequencer {
  sort (tests) {
    return [...tests].sort((one, other) => (one.path < other.path ? -1 : 1))
  }
}
