'use strict'

// Preloaded: has offheap make weak references of Node-API, and give tickets to objects, in each thread.

const binding = require('../../../lib/base/load.js')

binding.useNodeApiReferences(true)
binding.threadState.byEngine = 0
