'use strict'

// What track() costs per value, from the call to the moment its release was counted, garbage collection included,
// against FinalizationRegistry.prototype.register on the same values. A round makes the values, registers them, lets them die, and waits until
// every death was noticed.
//
// Another process on the machine only ever adds to a time. So the figures are lower quartiles of many short rounds, and three runs agree
// within a few per cent where medians do not.

const { externalAllocations, track } = require('..')
const { fixtureAddon } = require('../__test__/helpers/fixture-addon.js')
const { gc, interleave, quantile, settle } = require('./helpers.js')

const GOAL = 1
const COUNT = 100_000
const ROUNDS_PER_ROUND = 2
const VALUES_PER_TURN = 1_000

const KINDS = {
  'Buffer.allocUnsafe(100), a slice of the pool': () => Buffer.allocUnsafe(100),
  'Buffer.alloc(1000)': () => Buffer.alloc(1000),
  'Buffer.alloc(65536)': () => Buffer.alloc(65_536),
  'plain object': () => ({ a: 1 })
}
const LIFETIMES = { 'dies young': false, 'dies old': true }

module.exports = async function ({ rounds }) {
  const { file, skip } = fixtureAddon('everything')
  if (file === undefined) throw new Error(skip)
  const { threadNs } = require(file)
  const times = () => {
    const { user, system } = process.cpuUsage()
    return { cpu: (user + system) * 1000, thread: threadNs() }
  }
  const rows = []
  for (const [kind, make] of Object.entries(KINDS)) {
    for (const [lifetime, kept] of Object.entries(LIFETIMES)) {
      const count = kind.includes('65536') ? COUNT / 10 : COUNT
      const options = kind === 'plain object' ? { label: 'bench', byteLength: 100 } : { label: 'bench' }
      let finalized = 0
      const registry = new FinalizationRegistry(() => { finalized++ })
      const trial = (each, done) => () => round(count, make, kept, each, done, times)
      const results = await interleave(rounds * ROUNDS_PER_ROUND, {
        nothing: trial(() => {}, () => true),
        register: trial((value) => registry.register(value, 'bench'), () => {
          if (finalized !== count) return false
          finalized = 0
          return true
        }),
        track: trial((value) => track(value, options), () => externalAllocations().labels.bench.liveCount === 0)
      })
      const of = (name, figure) => quantile(results[name].map((result) => result[figure]), 0.25)
      const ratios = results.track.map(({ cpuNs }, index) => cpuNs / results.register[index].cpuNs)
      rows.push({
        name: `${kind}, ${lifetime}`,
        ratio: of('track', 'cpuNs') / of('register', 'cpuNs'),
        low: quantile(ratios, 0.25),
        high: quantile(ratios, 0.75),
        threadRatio: of('track', 'threadNs') / of('register', 'threadNs'),
        goal: GOAL,
        bareNs: Math.round(of('nothing', 'cpuNs')),
        registerNs: Math.round(of('register', 'cpuNs')),
        trackNs: Math.round(of('track', 'cpuNs'))
      })
    }
  }
  return {
    rows,
    notes: [
      `${COUNT.toLocaleString('en-US')} values a round (a tenth of that at 64 KiB), a turn of the event loop after every ${VALUES_PER_TURN.toLocaleString('en-US')}.`,
      'Per value, from making it to the moment its death was counted: processor time of all threads, V8\'s garbage collectors included.',
      'ratio: with track() ÷ with register(), of the lower quartiles; low and high: the quartiles of the ratio of neighbours. goal: of ratio and threadRatio.',
      'bareNs: with neither. threadRatio: the same for the JavaScript thread alone.'
    ]
  }
}

async function round (count, make, kept, each, done, times) {
  await settle(3)
  const start = times()
  const values = []
  for (let i = 0; i < count; i += VALUES_PER_TURN) {
    makeSome(make, each, kept ? values : undefined)
    await turn()
  }
  values.length = 0
  do {
    gc()
    await turn()
  } while (!done())
  const end = times()
  return { cpuNs: (end.cpu - start.cpu) / count, threadNs: (end.thread - start.thread) / count }
}

// A function of its own: an async one would keep the last value in its frame.
function makeSome (make, each, values) {
  for (let i = 0; i < VALUES_PER_TURN; i++) {
    const value = make()
    each(value)
    if (values !== undefined) values.push(value)
  }
}

function turn () {
  return new Promise(setImmediate)
}
