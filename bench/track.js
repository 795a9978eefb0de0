'use strict'

// What track() costs per value, from the call to the moment its release was counted, garbage collection included,
// against FinalizationRegistry.prototype.register on the same values. Each figure is the median of the rounds;
// a round makes the values, registers them, lets them die, and waits until every death was noticed.

const fs = require('node:fs')
const { externalAllocations, track } = require('..')
const { gc, interleave, median, settle } = require('./helpers.js')

const COUNT = 100_000
const VALUES_PER_TURN = 1_000

const KINDS = {
  'Buffer.allocUnsafe(100), a slice of the pool': () => Buffer.allocUnsafe(100),
  'Buffer.alloc(1000)': () => Buffer.alloc(1000),
  'Buffer.alloc(65536)': () => Buffer.alloc(65_536),
  'plain object': () => ({ a: 1 })
}
const LIFETIMES = { 'dies young': false, 'dies old': true }

module.exports = async function ({ rounds }) {
  const rows = []
  for (const [kind, make] of Object.entries(KINDS)) {
    for (const [lifetime, kept] of Object.entries(LIFETIMES)) {
      const count = kind.includes('65536') ? COUNT / 10 : COUNT
      const options = kind === 'plain object' ? { label: 'bench', byteLength: 100 } : { label: 'bench' }
      let finalized = 0
      const registry = new FinalizationRegistry(() => { finalized++ })
      const trial = (each, done) => () => round(count, make, kept, each, done)
      const results = await interleave(rounds, {
        nothing: trial(() => {}, () => true),
        register: trial((value) => registry.register(value, 'bench'), () => {
          if (finalized !== count) return false
          finalized = 0
          return true
        }),
        track: trial((value) => track(value, options), () => externalAllocations().labels.bench.liveCount === 0)
      })
      const of = (name, figure) => median(results[name].map((result) => result[figure]))
      rows.push({
        name: `${kind}, ${lifetime}`,
        ratio: of('track', 'cpuNs') / of('register', 'cpuNs'),
        threadRatio: of('track', 'threadNs') / of('register', 'threadNs'),
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
      'ratio: with track() ÷ with register(). bareNs: with neither. threadRatio: the same for the JavaScript thread alone.'
    ]
  }
}

async function round (count, make, kept, each, done) {
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

/** Nanoseconds that the process and this thread have run: unlike the clock, they stand still while another process has the core. */
function times () {
  const { user, system } = process.cpuUsage()
  return { cpu: (user + system) * 1000, thread: threadNs() }
}

function threadNs () {
  try {
    return Number(fs.readFileSync('/proc/thread-self/schedstat', 'latin1').split(' ')[0])
  } catch {
    return Number(process.hrtime.bigint())
  }
}

function turn () {
  return new Promise(setImmediate)
}
