'use strict'

// What does it cost to read memory? memory() against process.memoryUsage(), and what a breakdown and a trim take from the
// JavaScript thread at two sizes of the resident set (with --long a third one).

const { memory, residentBreakdown, trim } = require('../index.js')
const { gc, interleave, median, msSince, nsPerOperation, settle, worstLagMs } = require('./helpers.js')

const CALLS = 500

module.exports = async function ({ rounds, long }) {
  const rows = []
  const cheap = await interleave(rounds, {
    memoryUsage: () => nsPerOperation(() => process.memoryUsage(), CALLS),
    memory: () => nsPerOperation(() => memory(), CALLS)
  })
  rows.push(
    { name: 'process.memoryUsage()', medianUs: median(cheap.memoryUsage) / 1000 },
    { name: 'memory()', medianUs: median(cheap.memory) / 1000, ratio: median(cheap.memory) / median(cheap.memoryUsage) }
  )

  for (const targetMb of long ? [100, 1000, 4000] : [100, 1000]) {
    const kept = fill(targetMb * 1e6)
    gc()
    const rss = memory().rss
    const measured = await interleave(rounds, {
      idle: () => timed(() => new Promise((resolve) => setTimeout(resolve, 20))),
      breakdown: () => timed(() => residentBreakdown())
    })
    rows.push({
      name: `residentBreakdown() at ${targetMb} MB`,
      medianMs: median(measured.breakdown.map((run) => run.durationMs)),
      stallMs: median(measured.breakdown.map((run) => run.stallMs)),
      idleStallMs: median(measured.idle.map((run) => run.stallMs)),
      rssMb: Math.round(rss / 1e6)
    })
    kept.length = 0
    await settle()
  }

  const trims = []
  const fragmented = { asked: [], notAsked: [] }
  for (let round = 0; round < rounds; round++) {
    const half = await fragment((index) => index % 2 === 0)
    fragmented.asked.push(await timed(() => residentBreakdown()))
    fragmented.notAsked.push(await timed(() => residentBreakdown({ malloc: false })))
    half.length = 0
    await settle()
    await trim()

    const few = await fragment((index) => index % 1000 === 0)
    let released
    const run = await timed(async () => { released = await trim() })
    trims.push({ ...run, releasedMb: released.releasedBytes === null ? 0 : released.releasedBytes / 1e6 })
    few.length = 0
  }
  for (const [key, name] of [['asked', 'residentBreakdown()'], ['notAsked', 'residentBreakdown({ malloc: false })']]) {
    rows.push({
      name: `${name}, fragmented`,
      medianMs: median(fragmented[key].map((run) => run.durationMs)),
      stallMs: median(fragmented[key].map((run) => run.stallMs))
    })
  }
  rows.push({
    name: 'trim() of a million small freed blocks',
    medianMs: median(trims.map((run) => run.durationMs)),
    stallMs: median(trims.map((run) => run.stallMs)),
    releasedMb: Math.round(median(trims.map((run) => run.releasedMb)))
  })
  return {
    rows,
    notes: [
      `medians of ${rounds} rounds of ${CALLS} calls, in turns; target of memory(): 200 µs`,
      'stallMs: the longest time the event loop did not come round meanwhile; idleStallMs: the same with nothing to do',
      'fragmented: every second one of a million small blocks freed; malloc counts its free blocks with the arena locked',
      'trim() works on another thread, but malloc makes this one wait as soon as it allocates from the same arena'
    ]
  }
}

async function timed (work) {
  let durationMs
  const stallMs = await worstLagMs(async () => {
    const start = process.hrtime.bigint()
    await work()
    durationMs = msSince(start)
  })
  return { durationMs, stallMs }
}

/** Touched memory as a service has it: half in Buffers of all sizes, half in objects. */
function fill (bytes) {
  const kept = []
  for (let size = 100; bytes > 0; size = size * 3 % 1_000_003 + 64) {
    kept.push(Buffer.alloc(size, 1), Array.from({ length: Math.ceil(size / 24) }, (_, index) => ({ index })))
    bytes -= 2 * size
  }
  return kept
}

/** Makes a million small blocks of many sizes, frees all but those that `survives` picks, and returns these. */
async function fragment (survives) {
  let all = Array.from({ length: 1_000_000 }, (_, index) => Buffer.allocUnsafeSlow(40 + index % 900).fill(1))
  const survivors = all.filter((_, index) => survives(index))
  all = null
  await settle(10)
  return survivors
}
