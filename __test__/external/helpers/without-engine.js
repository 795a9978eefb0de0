'use strict'

// Runs a file of tests where offheap makes weak references of Node-API, and gives tickets to objects, in each thread. It is also what that process
// preloads.

const assert = require('node:assert')
const path = require('node:path')
const binding = require('../../../lib/base/load.js')
const { runChild } = require('../../helpers/child.js')

const isPreloaded = process.env.OFFHEAP_TEST_WITHOUT_ENGINE === '1'
if (isPreloaded) {
  binding.useNodeApiReferences(true)
  binding.threadState.byEngine = 0
}

/** Runs `<name>.test.js` of this room. */
async function passesWithoutEngine (name) {
  const { code, stdout } = await runChild(path.join(__dirname, '..', `${name}.test.js`), { execArgv: ['--expose-gc', '-r', __filename], env: { OFFHEAP_TEST_WITHOUT_ENGINE: '1' } })
  assert.strictEqual(code, 0, stdout)
  assert.match(stdout, /^(?:#|ℹ) fail 0$/m)
}

module.exports = { passesWithoutEngine }
