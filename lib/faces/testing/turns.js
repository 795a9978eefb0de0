'use strict'

// Turns of the event loop that fake timers do not stop. jest's replace the sandbox's globals, node:test's and sinon's
// those of node:timers too: so the real ones are taken when this file is loaded.

const { performance } = require('node:perf_hooks')
const { setImmediate, setTimeout } = require('node:timers')

const now = performance.now.bind(performance)

/** One turn: finalizers that Node deferred have run after it. */
function turn () {
  return new Promise((resolve) => { setImmediate(resolve) })
}

/** Two turns and a millisecond: sockets that were being closed, and V8's threads that free ArrayBuffers, get on. */
async function rest () {
  await turn()
  await turn()
  await new Promise((resolve) => { setTimeout(resolve, 1) })
}

module.exports = { now, rest, turn }
