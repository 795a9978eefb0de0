'use strict'

/* global expect */
// For jest's setupFilesAfterEnv. `expect` is that of the test file. It is a global unless `injectGlobals` is off.

const matchers = require('./matchers.js')

if (typeof expect === 'function') {
  expect.extend(matchers)
} else {
  // jest itself resolves this module, in the sandbox of a test file. It cannot be required elsewhere.
  require('@jest/globals').expect.extend(matchers)
}

module.exports = { matchers }
