'use strict'

// Where V8 is not one that offheap knows, weak references are Node-API's, and objects have tickets. The tests of this folder hold there too.

const test = require('node:test')
const { passesWithoutEngine } = require('./helpers/without-engine.js')

for (const name of ['any-object', 'identity', 'tallies']) {
  test(`with references of Node-API: ${name}`, () => passesWithoutEngine(name))
}
