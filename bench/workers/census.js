'use strict'

// One size of the benchmark census.

const { census, support } = require('../../index.js')
const { median, worstLagMs } = require('../helpers.js')

const { objects, slabs, rounds } = JSON.parse(process.argv[2])

class Entry { constructor (index) { this.index = index; this.next = undefined } }

function fill () {
  const kept = []
  for (let index = 0; index < objects; index++) kept.push(new Entry(index))
  const slices = []
  for (let index = 0; index < slabs; index++) {
    slices.push(Buffer.from('s'.repeat(50)))
    const { buffer } = Buffer.allocUnsafe(1)
    while (Buffer.allocUnsafe(2_000).buffer === buffer);
  }
  return { kept, slices }
}

async function main () {
  globalThis.held = fill()
  const seen = { probe: [], 'in-process': [] }
  let lag = 0
  const modes = support().probe.available ? ['probe', 'in-process'] : ['in-process']
  const counts = new Set()
  for (let round = 0; round < rounds + 1; round++) {
    for (const mode of round % 2 === 0 ? modes : [...modes].reverse()) {
      let taken
      const worst = await worstLagMs(async () => { taken = await census({ mode, timeoutMs: 600_000, maxPauseMs: 600_000 }) })
      counts.add(`${taken.slabs.count} ${taken.slabs.sliceCount} ${taken.slabs.wasteBytes}`)
      // The first of each warms up.
      if (round === 0) continue
      seen[mode].push(taken)
      if (mode === 'probe') lag = Math.max(lag, worst)
    }
  }
  const of = (mode, key) => seen[mode].length === 0 ? undefined : median(seen[mode].map((taken) => taken[key]))
  process.stdout.write(`${JSON.stringify({
    rssMb: Math.round(process.memoryUsage().rss / 1e6),
    pauseMs: of('probe', 'pauseMs'),
    durationMs: of('probe', 'durationMs'),
    inProcessMs: of('in-process', 'pauseMs'),
    worstLagMs: lag,
    sameAnswer: counts.size === 1 ? 'yes' : `no: ${[...counts].join('; ')}`
  })}\n`)
}

main()
