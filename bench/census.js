'use strict'

// For how long does a census of the Buffers stop the service? The probe's pause against the same census in the process, with
// 10,000 slabs of one slice each, at 0.1 and 1 million objects; --long: at 4 million.

const { execFileSync } = require('node:child_process')
const path = require('node:path')

module.exports = async function ({ rounds, long }) {
  const sizes = [100_000, 1_000_000, ...(long ? [4_000_000] : [])]
  const rows = sizes.map((objects) => {
    // A process of its own for each size.
    const said = execFileSync(process.execPath, [
      '--max-old-space-size=6000', path.join(__dirname, 'workers', 'census.js'), JSON.stringify({ objects, slabs: 10_000, rounds })
    ], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] })
    const numbers = JSON.parse(said.trim().split('\n').pop())
    return { name: `${objects / 1e6} M objects`, ratio: numbers.pauseMs / numbers.inProcessMs, ...numbers }
  })
  return {
    rows,
    notes: [
      'ratio: pauseMs / inProcessMs, medians, taken in turns. pauseMs: how long the JS thread stood still for the census in the child; inProcessMs: for the one in the process. Target: ratio ≤ 1/50 (0.02) at 1 M objects.',
      'durationMs: until the child\'s answer; worstLagMs: the longest time the event loop did not come round while a child counted, over all rounds; sameAnswer: whether all censuses found the same slabs, slices and waste.'
    ]
  }
}
