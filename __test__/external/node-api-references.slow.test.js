'use strict'

// As node-api-references.test.js, for the files that take longer.

const test = require('node:test')
const { passesWithoutEngine } = require('./helpers/without-engine.js')

for (const name of ['alloc-external', 'lifecycle', 'route-context', 'sweep']) {
  test(`with references of Node-API: ${name}`, () => passesWithoutEngine(name))
}
