'use strict'

// For a setup file that was compiled to CommonJS. vitest refuses to be required where it is not transformed, and says that `import` is the way.

const { expect } = require('vitest')
const matchers = require('./matchers.js')

expect.extend(matchers)

module.exports = { matchers }
