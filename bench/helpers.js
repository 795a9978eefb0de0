'use strict'

// What benchmarks share. The interface of a benchmark is described in run.js.

const v8 = require('node:v8')
const vm = require('node:vm')

let collect

/** Collects all garbage now; works without --expose-gc. */
function gc () {
  if (collect === undefined) {
    v8.setFlagsFromString('--expose-gc')
    collect = vm.runInNewContext('gc')
  }
  collect()
}

/** Collects garbage and lets finalizers run, which Node defers to later turns of the event loop. */
async function settle (turns = 5) {
  for (let i = 0; i < turns; i++) {
    gc()
    await new Promise(setImmediate)
  }
}

function median (values) {
  return quantile(values, 0.5)
}

/** The q-th quantile, by linear interpolation between the two nearest values. */
function quantile (values, q) {
  if (values.length === 0) throw new RangeError('no values')
  const sorted = [...values].sort((a, b) => a - b)
  const position = (sorted.length - 1) * q
  const below = Math.floor(position)
  const above = Math.ceil(position)
  return sorted[below] + (sorted[above] - sorted[below]) * (position - below)
}

/**
 * Takes each of several measurements in turn, `rounds` times, every second round in reverse order, after one round that
 * is thrown away (compilation, first page faults).
 * @template T
 * @param {number} rounds
 * @param {Record<string, () => T | Promise<T>>} measurements
 * @returns {Promise<Record<string, T[]>>} the results by name
 */
async function interleave (rounds, measurements) {
  const names = Object.keys(measurements)
  const results = Object.fromEntries(names.map((name) => [name, []]))
  for (const name of names) await measurements[name]()
  for (let round = 0; round < rounds; round++) {
    for (const name of round % 2 === 0 ? names : [...names].reverse()) {
      results[name].push(await measurements[name]())
    }
  }
  return results
}

/** Nanoseconds per call of `operation`, over `count` calls in a row. */
function nsPerOperation (operation, count) {
  const start = process.hrtime.bigint()
  for (let i = 0; i < count; i++) operation(i)
  return Number(process.hrtime.bigint() - start) / count
}

/** Milliseconds since a process.hrtime.bigint(). */
function msSince (start) {
  return Number(process.hrtime.bigint() - start) / 1e6
}

/**
 * The longest time the event loop did not come round while `work` was under way, in milliseconds. A turn that does
 * nothing takes microseconds, so this is the stall that `work` caused on this thread.
 * @param {() => Promise<unknown>} work
 */
async function worstLagMs (work) {
  let worst = 0
  let running = true
  let last = process.hrtime.bigint()
  const turn = () => {
    const now = process.hrtime.bigint()
    worst = Math.max(worst, Number(now - last) / 1e6)
    last = now
    if (running) setImmediate(turn)
  }
  setImmediate(turn)
  await work()
  running = false
  turn()
  return worst
}

module.exports = { gc, interleave, median, msSince, nsPerOperation, quantile, settle, worstLagMs }
