'use strict'

// Runs a fixture of the probe; it may be killed, and its test says by what.

const path = require('node:path')
const { runChild } = require('../../helpers/child.js')

const fixtures = path.join(__dirname, '..', 'fixtures')

/**
 * @param {string} fixture file name in fixtures/
 * @param {string[]} [args]
 * @param {Parameters<typeof runChild>[1]} [options] see `runChild`
 */
function runFixture (fixture, args = [], { env, ...options } = {}) {
  return runChild(path.join(fixtures, fixture), { args, mayBeKilled: true, env: { NODE_OPTIONS: '', ...env }, ...options })
}

module.exports = { fixtures, runFixture }
