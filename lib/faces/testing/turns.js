'use strict'

// Event-loop ticks that fake timers do not stop. jest's fake timers replace the globals of the sandbox; those of node:test and sinon also replace
// the functions of node:timers. So this file keeps the real functions when it is loaded.

const { performance } = require('node:perf_hooks')
const { setImmediate, setTimeout } = require('node:timers')

const now = performance.now.bind(performance)

/** One event-loop tick. After it, finalizers that Node deferred have run. */
function turn () {
  return new Promise((resolve) => { setImmediate(resolve) })
}

/** Two event-loop ticks and one ms. Sockets can close in that time, and V8's threads can free ArrayBuffers. */
async function rest () {
  await turn()
  await turn()
  await new Promise((resolve) => { setTimeout(resolve, 1) })
}

module.exports = { now, rest, turn }
