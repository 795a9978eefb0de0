'use strict'

// Measures one of the calls of bench/buffers.js, in a process where Buffers are sampled or are not. Prints nanoseconds per call, of this
// thread's processor time: unlike the clock, it stands still while another process has the core.

const fs = require('node:fs')

const [, , name, mode] = process.argv

const TEXT = 'fifty bytes, such as a session token or cache key'
const CALLS = {
  "Buffer.from('…50 bytes')": [(count) => { for (let i = 0; i < count; i++) keep(Buffer.from(TEXT)) }, 300_000],
  'Buffer.allocUnsafe(100)': [(count) => { for (let i = 0; i < count; i++) keep(Buffer.allocUnsafe(100)) }, 300_000],
  'Buffer.allocUnsafe(8192)': [(count) => { for (let i = 0; i < count; i++) keep(Buffer.allocUnsafe(8192)) }, 60_000],
  'Buffer.alloc(1 MiB)': [(count) => { for (let i = 0; i < count; i++) keep(Buffer.alloc(2 ** 20)) }, 1_500]
}
const BLOCKS = 7

// The last 64 are alive, so that no call can be optimised away.
const kept = new Array(64).fill(undefined)
let place = 0
function keep (value) {
  kept[place = (place + 1) & 63] = value
}

const { trackBuffers } = require('../..')
if (mode !== 'off') trackBuffers(mode === 'on' ? undefined : JSON.parse(mode))

const [run, count] = CALLS[name]
// Until the optimising compiler is through, and sampling has found its interval.
for (let i = 0; i < 20; i++) run(count / 5)
const blocks = []
for (let i = 0; i < BLOCKS; i++) {
  const start = threadNs()
  run(count)
  blocks.push((threadNs() - start) / count)
}
blocks.sort((a, b) => a - b)
process.stdout.write(String(blocks[BLOCKS >> 1]))

function threadNs () {
  try {
    return Number(fs.readFileSync('/proc/thread-self/schedstat', 'latin1').split(' ')[0])
  } catch {
    return Number(process.hrtime.bigint())
  }
}
