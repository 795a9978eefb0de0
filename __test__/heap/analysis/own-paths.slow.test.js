'use strict'

// own-paths.test.js has the cases that are always run.

const { testHeldByOffheap } = require('./helpers/held-by-offheap.js')

testHeldByOffheap({ always: false })
