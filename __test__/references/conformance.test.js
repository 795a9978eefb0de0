'use strict'

// An addon that calls Node-API as most do, through its procedure linkage table, watched with all that there is to watch.
// conformance.slow.test.js has the rest.

const test = require('node:test')
const { fixtureAddon } = require('../helpers/fixture-addon.js')
const { PARTS, conforms } = require('./helpers/conformance.js')

const { file, skip } = fixtureAddon('conformance')
for (const part of Object.keys(PARTS)) {
  test(`a watched addon observes what it observes unwatched: ${part}`, { skip }, () => conforms(file, part, ['all']))
}
