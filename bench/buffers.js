'use strict'

// What the sampling of Buffers costs per call, against the same call without it. Each measurement is a process of its own, in turns:
// where Buffer.from is now this and now that function, the compiler gives up on both.

const { execFileSync } = require('node:child_process')
const path = require('node:path')

const { interleave, median, quantile } = require('./helpers.js')
const { CALLS } = require('./workers/buffers.js')

const GOAL = 1.05
const worker = path.join(__dirname, 'workers', 'buffers.js')

module.exports = async function ({ rounds, args }) {
  // npm run bench -- buffers '{"maxOverhead":1}'
  const mode = args[0] ?? 'on'
  const rows = []
  for (const name of Object.keys(CALLS)) {
    const measure = (mode) => () => Number(execFileSync(process.execPath, [worker, name, mode], { encoding: 'utf8' }))
    const results = await interleave(rounds, { without: measure('off'), with: measure(mode) })
    const ratios = results.with.map((ns, round) => ns / results.without[round])
    rows.push({
      name,
      ratio: median(results.with) / median(results.without),
      goal: GOAL,
      low: quantile(ratios, 0.25),
      high: quantile(ratios, 0.75),
      withoutNs: median(results.without),
      withNs: median(results.with)
    })
  }
  return {
    rows,
    notes: [
      'Processor time of the JavaScript thread per call, its share of garbage collection included: the least of 25 blocks of a process, after ' +
        'the 100 ms are spent that samples may use at the start; medians of the rounds.',
      'ratio: with trackBuffers() ÷ without, each in a process of its own; low and high: the quartiles of the ratio within a round.'
    ]
  }
}
