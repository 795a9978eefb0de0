'use strict'

// One process of bench/napi-hooks.js. Arguments: the loop; the addon's file; a second file of the same source, which tells where Node's own
// functions are; how many blocks, or `count` for a run under callgrind.
//
// Blocks with the hooks and blocks with Node's own functions take turns, on the same heap. Prints JSON: for each block, nanoseconds of
// this thread per intercepted call, without the garbage collection in between.

const { gc } = require('../helpers.js')

/** A loop: calls per round, rounds per block, whether what it makes becomes garbage (a finalizer that runs counts as a call). */
const LOOPS = {
  'create and delete a reference': { run: 'reference', rounds: 20_000 },
  'count a reference up and down': { run: 'upAndDown', rounds: 50_000 },
  'wrap and remove the wrap': { run: 'wrapAndRemove', rounds: 5_000 },
  'wrap, collect, finalize': { run: 'wrapNew', rounds: 20_000, collects: true },
  'external Buffer, collect, finalize': { run: 'externalBuffer', rounds: 20_000, collects: true }
}
const CALLS_PER_ROUND = 2
const COUNTED_ROUNDS = [100, 1100]

if (require.main === module) {
  const [name, file, other, blocks] = process.argv.slice(2)
  const originals = require(other).addresses()
  require('../..').watchAddons()
  const addon = require(file)
  addon.setOriginals(originals)
  if (blocks === 'count') countIn(addon)
  else measure(addon, LOOPS[name], Number(blocks)).then((times) => process.stdout.write(JSON.stringify(times)))
}

async function measure (addon, loop, blocks) {
  const times = { bare: [], hooked: [] }
  const object = {}
  for (let i = -6; i < blocks * 2; i++) {
    // A b b a: what drifts, drifts alike.
    const isHooked = (i & 3) === 1 || (i & 3) === 2
    const ns = await block(addon, loop, isHooked, object)
    if (i >= 0) times[isHooked ? 'hooked' : 'bare'].push(ns)
  }
  return times
}

async function block (addon, { run, rounds, collects }, isHooked, object) {
  const calls = rounds * CALLS_PER_ROUND
  const before = addon.finalized()
  const ns = addon[run](isHooked, rounds, object)
  if (!collects) return ns / calls
  // No hook runs in here, and the time that it takes differs by more than what is measured.
  gc()
  const afterGc = addon.threadNs()
  // Finalizers run in turns of their own, those of Buffers after another thread has freed them.
  while (addon.finalized() < before + rounds) await new Promise(setImmediate)
  return (ns + addon.threadNs() - afterGc) / calls
}

/** Runs each loop twice, each time between two parts of callgrind's counts. */
async function countIn (addon) {
  const object = {}
  for (const { run, collects } of Object.values(LOOPS)) {
    for (const rounds of COUNTED_ROUNDS) {
      const before = addon.finalized()
      addon.part()
      addon[run](true, rounds, object)
      if (collects) {
        gc()
        while (addon.finalized() < before + rounds) await new Promise(setImmediate)
      }
    }
  }
  addon.part()
}

module.exports = { CALLS_PER_ROUND, COUNTED_ROUNDS, LOOPS }
