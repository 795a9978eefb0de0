'use strict'

// What watching adds to a call of Node-API: tight loops inside a fixture addon, with and without watchAddons(), in turns in one
// process. Where things become garbage, the collection and the finalizers are part of the time.

const { addons, watchAddons } = require('..')
const { fixtureAddon } = require('../__test__/helpers/fixture-addon.js')
const { gc, interleave, median } = require('./helpers.js')

const CALLS = 200_000
const VALUES = 20_000

/** A loop, and how many intercepted calls it makes (a finalizer that runs counts as one). */
const LOOPS = {
  'create and delete a reference': { calls: 2 * CALLS, loop: (addon, { object }) => addon.referenceLoop(object, CALLS) },
  'count a reference up and down': { calls: 2 * CALLS, loop: (addon, { reference }) => addon.countLoop(reference, CALLS) },
  'wrap and remove the wrap': { calls: 2 * CALLS, loop: (addon, { object }) => addon.wrapLoop(object, CALLS) },
  'wrap, collect, finalize': { calls: 2 * VALUES, loop: (addon) => addon.wrapNewLoop(VALUES), collects: true },
  'external Buffer, collect, finalize': { calls: 2 * VALUES, loop: (addon) => addon.externalBufferLoop(VALUES), collects: true }
}

module.exports = async function ({ rounds }) {
  const { file, skip } = fixtureAddon('everything')
  if (file === undefined) throw new Error(skip)
  // Loaded while watched, so that its environment is known.
  const loading = watchAddons()
  const addon = require(file)
  const object = {}
  const own = { object, reference: addon.reference({}, 1) }
  loading.stop()

  const rows = []
  for (const [name, { calls, loop, collects }] of Object.entries(LOOPS)) {
    // The processor time of this thread: unlike the clock, it stands still while another process has the core.
    const trial = (watched) => async () => {
      const watch = watched ? watchAddons() : undefined
      const once = async () => {
        gc()
        await turn()
        const start = addon.threadNs()
        loop(addon, own)
        if (collects) {
          gc()
          // Finalizers run in a turn of their own.
          await turn()
          await turn()
        }
        return (addon.threadNs() - start) / calls
      }
      try {
        // Tables grow to their size the first time.
        await once()
        return await once()
      } finally {
        // What is left to be finalized is let go before the hooks are.
        gc()
        await turn()
        watch?.stop()
      }
    }
    const results = await interleave(rounds, { bare: trial(false), watched: trial(true) })
    const bareNs = median(results.bare)
    const watchedNs = median(results.watched)
    rows.push({ name, ratio: watchedNs / bareNs, addedNs: watchedNs - bareNs, bareNs, watchedNs })
  }
  const average = rows.reduce((sum, { addedNs }) => sum + addedNs, 0) / rows.length
  return {
    rows,
    notes: [
      `Nanoseconds that the thread ran per intercepted call, medians; ${CALLS.toLocaleString('en-US')} rounds of each loop, ${VALUES.toLocaleString('en-US')} where values become garbage.`,
      `addedNs: what watching adds to a call; on average ${average.toFixed(1)} ns (target: at most 25). ratio: with ÷ without.`,
      `addons(): ${(median(readings(addon)) / 1000).toFixed(0)} µs with one addon that holds 1,000 references (target: at most 200).`
    ]
  }
}

/** Nanoseconds of one reading each. */
function readings (addon) {
  const watch = watchAddons()
  addon.references(1000, 1)
  const times = Array.from({ length: 200 }, () => {
    const start = process.hrtime.bigint()
    addons()
    return Number(process.hrtime.bigint() - start)
  })
  watch.stop()
  return times
}

function turn () {
  return new Promise(setImmediate)
}
