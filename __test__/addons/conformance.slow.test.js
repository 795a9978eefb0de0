'use strict'

// Also watched for counts alone, and an addon whose finalizers run within the collection, as NAPI_EXPERIMENTAL has it.

const test = require('node:test')
const { fixtureAddon } = require('../helpers/fixture-addon.js')
const { PARTS, conforms } = require('./helpers/conformance.js')

for (const kind of ['plt', 'experimental']) {
  const { file, skip } = fixtureAddon('conformance', kind)
  for (const part of Object.keys(PARTS)) {
    test(`an addon (${kind}) observes the same whether it is watched or not: ${part}`, { skip }, () => conforms(file, part))
  }
}
