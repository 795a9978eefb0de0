'use strict'

// For how long does a heap snapshot stop the service? The probe's pause against v8.writeHeapSnapshot in the same
// process, at 50, 200 and 800 MB of mixed objects, the last with 1 GB of Buffers. --long: also v8.writeHeapSnapshot at
// 800 MB, and a snapshot from the child there (minutes, and 10 GB of memory).

const { execFileSync } = require('node:child_process')
const path = require('node:path')

module.exports = async function ({ rounds, long }) {
  const sizes = [{ heapMb: 50, buffersMb: 0 }, { heapMb: 200, buffersMb: 0 }, { heapMb: 800, buffersMb: 1000 }]
  const rows = sizes.map(({ heapMb, buffersMb }) => {
    const compares = heapMb < 800 || long
    // A process of its own for each size: the memory of one must not count for the next.
    const said = execFileSync(process.execPath, [
      '--expose-gc', '--max-old-space-size=6000', path.join(__dirname, 'workers', 'snapshot-pause.js'),
      JSON.stringify({ heapMb, buffersMb, rounds, compares })
    ], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] })
    const { name, ...numbers } = JSON.parse(said.trim().split('\n').pop())
    return { name, ratio: numbers.inProcessMs === undefined ? undefined : numbers.pauseMs / numbers.inProcessMs, ...numbers }
  })
  return {
    rows,
    notes: [
      'ratio: pauseMs / inProcessMs. pauseMs: median of a probe that does nothing (the pause does not depend on the work); forkMs: how much of it is fork(2) alone. everything…: the same with large Buffers in the fork, as for probe(fn).',
      'snapshotPauseMs: the pause of the one snapshot that was taken; childMs: how long its child worked; extraPeakMb: peak of parent and child together by PSS, less the parent alone.',
      'slowdown: work per second of the parent while the child runs ÷ before it. Target: ratio ≤ 1/200 at 200 MB, pauseMs ≤ forkMs + 5.'
    ]
  }
}
