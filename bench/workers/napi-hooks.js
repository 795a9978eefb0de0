'use strict'

// One process of bench/napi-hooks.js. Arguments: `watched` or `bare`, the loop, the addon's file. Prints JSON:
// nanoseconds of this thread per intercepted call, the median of 15 runs after five that do not count.

const { gc, median } = require('../helpers.js')

const CALLS = 200_000
const VALUES = 20_000

/** A loop, and how many intercepted calls it makes (a finalizer that runs counts as one). */
const LOOPS = {
  'create and delete a reference': { calls: 2 * CALLS, run: (addon, { object }) => addon.referenceLoop(object, CALLS) },
  'count a reference up and down': { calls: 2 * CALLS, run: (addon, { reference }) => addon.countLoop(reference, CALLS) },
  'wrap and remove the wrap': { calls: 2 * CALLS, run: (addon, { object }) => addon.wrapLoop(object, CALLS) },
  'wrap, collect, finalize': { calls: 2 * VALUES, run: (addon) => addon.wrapNewLoop(VALUES), collects: true },
  'external Buffer, collect, finalize': { calls: 2 * VALUES, run: (addon) => addon.externalBufferLoop(VALUES), collects: true }
}

if (require.main === module) {
  const [mode, name, file] = process.argv.slice(2)
  if (mode === 'watched') require('../..').watchAddons()
  measure(require(file), LOOPS[name]).then((ns) => process.stdout.write(JSON.stringify(ns)))
}

async function measure (addon, { calls, run, collects }) {
  const object = {}
  const own = { object, reference: addon.reference({}, 1) }
  const times = []
  for (let i = 0; i < 20; i++) {
    gc()
    await turn()
    // The processor time of this thread: unlike the clock, it stands still while another process has the core.
    const start = addon.threadNs()
    run(addon, own)
    if (collects) {
      gc()
      // Finalizers run in a turn of their own.
      await turn()
      await turn()
    }
    if (i >= 5) times.push((addon.threadNs() - start) / calls)
  }
  return median(times)
}

function turn () {
  return new Promise(setImmediate)
}

module.exports = { CALLS, LOOPS, VALUES }
