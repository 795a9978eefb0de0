'use strict'

// An addon that calls Node-API as most do, through its procedure linkage table, watched with all that there is to watch: what is counted
// most. conformance.slow.test.js has the rest.

const test = require('node:test')
const { fixtureAddon } = require('../helpers/fixture-addon.js')
const { conforms } = require('./helpers/conformance.js')

const { file, skip } = fixtureAddon('conformance')
for (const part of ['references', 'finalizers', 'wraps', 'memory']) {
  test(`an addon observes the same whether it is watched or not: ${part}`, { skip }, () => conforms(file, part, ['all']))
}
