'use strict'

// What the sampling of Buffers costs per call, against the same call without it. Each measurement is a process of its own, in turns:
// where Buffer.from is now this and now that function, the compiler gives up on both.

const { execFileSync } = require('node:child_process')
const path = require('node:path')

const { interleave, median } = require('./helpers.js')

const CALLS = ["Buffer.from('…50 bytes')", 'Buffer.allocUnsafe(100)', 'Buffer.allocUnsafe(8192)', 'Buffer.alloc(1 MiB)']
const worker = path.join(__dirname, 'workers', 'buffers.js')

module.exports = async function ({ rounds, args }) {
  // npm run bench -- buffers '{"maxOverhead":1}'
  const mode = args[0] ?? 'on'
  const rows = []
  for (const name of CALLS) {
    const measure = (mode) => () => Number(execFileSync(process.execPath, [worker, name, mode], { encoding: 'utf8' }))
    const results = await interleave(rounds, { without: measure('off'), with: measure(mode) })
    rows.push({
      name,
      ratio: median(results.with) / median(results.without),
      withoutNs: median(results.without),
      withNs: median(results.with)
    })
  }
  return {
    rows,
    notes: [
      'Processor time of the JavaScript thread per call, its share of garbage collection included; medians of the rounds.',
      'ratio: with trackBuffers() ÷ without, each in a process of its own.'
    ]
  }
}
