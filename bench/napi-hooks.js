'use strict'

// What watching adds to a call of Node-API: tight loops inside a fixture addon, which calls the hooks and Node's own functions in turns, in
// one process and on one heap. Where things become garbage, the finalizers are part of the time.
//
// With --long also what does not depend on the machine's mood: the instructions that offheap executes for each call, as valgrind counts them.

const { execFileSync } = require('node:child_process')
const fs = require('node:fs')
const os = require('node:os')
const path = require('node:path')
const { addons, watchAddons } = require('..')
const { fixtureAddon } = require('../__test__/helpers/fixture-addon.js')
const { median, quantile } = require('./helpers.js')
const { CALLS_PER_ROUND, COUNTED_ROUNDS, LOOPS } = require('./workers/napi-hooks.js')

const GOAL_NS = 25
const BLOCKS = 30
const worker = path.join(__dirname, 'workers', 'napi-hooks.js')

module.exports = async function ({ rounds, long }) {
  // Two files of one source: one is loaded before the watch begins.
  const [{ file, skip }, other] = [fixtureAddon('hook-cost'), fixtureAddon('hook-cost', 'no-plt')]
  if (file === undefined) throw new Error(skip)

  const names = Object.keys(LOOPS)
  const pairs = Object.fromEntries(names.map((name) => [name, []]))
  for (let round = 0; round < rounds; round++) {
    for (const name of names) pairs[name].push(...measure(name, file, other.file))
  }
  const instructions = long ? countInstructions(file, other.file) : []
  const rows = names.map((name, place) => {
    const added = pairs[name].map(({ hooked, bare }) => hooked - bare)
    const bareNs = median(pairs[name].map(({ bare }) => bare))
    return {
      name,
      ratio: 1 + median(added) / bareNs,
      addedNs: median(added),
      goalNs: GOAL_NS,
      lowNs: quantile(added, 0.25),
      highNs: quantile(added, 0.75),
      bareNs,
      ...(long ? { instructions: instructions[place] } : {})
    }
  })
  const average = rows.reduce((sum, { addedNs }) => sum + addedNs, 0) / rows.length
  return {
    rows,
    notes: [
      `Nanoseconds that the thread ran per intercepted call (a finalizer that runs is one): ${rounds} processes, in each ${BLOCKS} pairs of short blocks, ` +
        'with the hooks and with Node\'s own functions. addedNs: the median difference of a pair; lowNs and highNs: its quartiles.',
      `On average watching adds ${average.toFixed(1)} ns to a call (goal: at most ${GOAL_NS}).`,
      long
        ? 'instructions: of offheap\'s own per call, by valgrind --tool=callgrind. The wraps of the two loops are counted in one addon, which removes wraps.'
        : 'With --long: instructions too, which are the same on every machine (needs valgrind; takes a minute).',
      `addons(): ${(median(readings()) / 1000).toFixed(0)} µs with one addon that holds 1,000 references (goal: at most 200).`
    ]
  }
}

function measure (name, file, other) {
  const { hooked, bare } = JSON.parse(execFileSync(process.execPath, [worker, name, file, other, String(BLOCKS)], { encoding: 'utf8' }))
  return hooked.map((ns, place) => ({ hooked: ns, bare: bare[place] }))
}

/** Instructions of offheap per intercepted call, one number for each loop; undefined where there is no valgrind. */
function countInstructions (file, other) {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'offheap-bench-'))
  try {
    const out = path.join(directory, 'out')
    execFileSync('valgrind', [
      '--tool=callgrind', '--dump-before=offheap_bench_part', `--callgrind-out-file=${out}`,
      process.execPath, '--single-threaded', worker, 'all', file, other, 'count'
    ], { stdio: 'ignore' })
    const [few, many] = COUNTED_ROUNDS
    return Object.keys(LOOPS).map((_, place) => {
      const [less, more] = [2, 3].map((part) => ownInstructions(`${out}.${place * 2 + part}`))
      return (more - less) / (many - few) / CALLS_PER_ROUND
    })
  } catch (error) {
    if (error.code !== 'ENOENT') throw error
    return []
  } finally {
    fs.rmSync(directory, { recursive: true })
  }
}

/** The instructions in offheap.node, of a file in callgrind's format: those of calls stand in the line after `calls=`, and count elsewhere. */
function ownInstructions (file) {
  const objects = new Map()
  let object
  let isCall = false
  let sum = 0
  for (const line of fs.readFileSync(file, 'latin1').split('\n')) {
    const [, kind, number, name] = /^(c?ob)=\((\d+)\)(?: (.*))?$/.exec(line) ?? []
    if (name !== undefined) objects.set(number, name)
    if (kind === 'ob') object = number
    if (line.startsWith('calls=')) {
      isCall = true
    } else if (/^[+\-*\d]/.test(line)) {
      if (!isCall && objects.get(object)?.endsWith('offheap.node')) sum += Number(line.split(' ')[1])
      isCall = false
    }
  }
  return sum
}

/** Nanoseconds of one reading each. */
function readings () {
  const { file } = fixtureAddon('everything')
  const watch = watchAddons()
  require(file).references(1000, 1)
  const times = Array.from({ length: 200 }, () => {
    const start = process.hrtime.bigint()
    addons()
    return Number(process.hrtime.bigint() - start)
  })
  watch.stop()
  return times
}
