'use strict'

/* global expect */
// For jest's setupFilesAfterEnv. `expect` is the test file's own, a global unless `injectGlobals` is off.

const matchers = require('./matchers.js')

if (typeof expect === 'function') {
  expect.extend(matchers)
} else {
  // Resolved by jest itself, in a test file's sandbox; nothing else may ask for it.
  require('@jest/globals').expect.extend(matchers)
}

module.exports = { matchers }
