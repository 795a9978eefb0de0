'use strict'

// What watching adds to a call of Node-API: tight loops inside a fixture addon, in processes that watch and in processes that do not,
// in turns. Where things become garbage, the collection and the finalizers are part of the time.

const { execFileSync } = require('node:child_process')
const path = require('node:path')
const { addons, watchAddons } = require('..')
const { fixtureAddon } = require('../__test__/helpers/fixture-addon.js')
const { interleave, median } = require('./helpers.js')
const { CALLS, LOOPS, VALUES } = require('./workers/napi-hooks.js')

const worker = path.join(__dirname, 'workers', 'napi-hooks.js')

module.exports = async function ({ rounds }) {
  const { file, skip } = fixtureAddon('everything')
  if (file === undefined) throw new Error(skip)

  const rows = []
  for (const name of Object.keys(LOOPS)) {
    const run = (mode) => () => JSON.parse(execFileSync(process.execPath, [worker, mode, name, file], { encoding: 'utf8' }))
    const results = await interleave(rounds, { bare: run('bare'), watched: run('watched') })
    const bareNs = median(results.bare)
    const watchedNs = median(results.watched)
    rows.push({ name, ratio: watchedNs / bareNs, addedNs: watchedNs - bareNs, bareNs, watchedNs })
  }
  const average = rows.reduce((sum, { addedNs }) => sum + addedNs, 0) / rows.length
  return {
    rows,
    notes: [
      'Nanoseconds that the thread ran per intercepted call, medians of processes; ' +
        `${CALLS.toLocaleString('en-US')} rounds of each loop, ${VALUES.toLocaleString('en-US')} where values become garbage.`,
      `addedNs: what watching adds to a call; on average ${average.toFixed(1)} ns (target: at most 25). ratio: with ÷ without.`,
      `addons(): ${(median(readings(require(file))) / 1000).toFixed(0)} µs with one addon that holds 1,000 references (target: at most 200).`
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
