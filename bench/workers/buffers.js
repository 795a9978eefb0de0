'use strict'

// Measures one of the calls of bench/buffers.js, in a process where Buffers are sampled or are not. Prints nanoseconds per call, of this
// thread's processor time: unlike the clock, it stands still while another process has the core. The least of some blocks, as whatever else
// the machine does makes a block longer and never shorter.

const fs = require('node:fs')

const TEXT = 'fifty bytes, such as a session token or cache key'
const CALLS = {
  "Buffer.from('…50 bytes')": [(count) => { for (let i = 0; i < count; i++) keep(Buffer.from(TEXT)) }, 100_000],
  'Buffer.allocUnsafe(100)': [(count) => { for (let i = 0; i < count; i++) keep(Buffer.allocUnsafe(100)) }, 200_000],
  'Buffer.allocUnsafe(8192)': [(count) => { for (let i = 0; i < count; i++) keep(Buffer.allocUnsafe(8192)) }, 40_000],
  'Buffer.alloc(1 MiB)': [(count) => { for (let i = 0; i < count; i++) keep(Buffer.alloc(2 ** 20)) }, 300]
}
const BLOCKS = 25
// Samples may use time that they have not used in the last ten seconds, and a process begins with all of that: 100 ms. Large Buffers spend
// it within this time.
const SPEND_MS = 2000
const WARM_UP_MS = 700

// The last 64 are alive, so that no call can be optimised away.
const kept = new Array(64).fill(undefined)
let place = 0
function keep (value) {
  kept[place = (place + 1) & 63] = value
}

if (require.main === module) {
  const [, , name, mode] = process.argv
  const { trackBuffers } = require('../..')
  if (mode !== 'off') trackBuffers(mode === 'on' ? undefined : JSON.parse(mode))
  process.stdout.write(String(measure(...CALLS[name])))
}

function measure (run, count) {
  repeat(...CALLS['Buffer.alloc(1 MiB)'], SPEND_MS)
  // Until the optimising compiler is through, and sampling has found its interval.
  repeat(run, count, WARM_UP_MS)
  let least = Infinity
  for (let i = 0; i < BLOCKS; i++) {
    const start = threadNs()
    run(count)
    least = Math.min(least, (threadNs() - start) / count)
  }
  return least
}

function repeat (run, count, ms) {
  const start = Date.now()
  while (Date.now() - start < ms) run(count / 5)
}

function threadNs () {
  try {
    return Number(fs.readFileSync('/proc/thread-self/schedstat', 'latin1').split(' ')[0])
  } catch {
    return Number(process.hrtime.bigint())
  }
}

module.exports = { CALLS }
