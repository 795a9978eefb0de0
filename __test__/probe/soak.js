'use strict'

// Snapshots back to back under stress, round after round, on the Node that runs this: every one must be whole.

const { runFixture } = require('./helpers/node.js')

/** Long enough for the heap to get old, short enough for a report now and then. */
const roundSeconds = 60

module.exports = async function ({ minutes, report }) {
  const end = performance.now() + minutes * 60_000
  const total = { rounds: 0, snapshots: 0, retried: 0, wrong: 0, failures: 0, maxAttempts: 0, maxPauseMs: 0 }
  const medians = []
  while (performance.now() < end) {
    const seconds = Math.max(5, Math.min(roundSeconds, (end - performance.now()) / 1000))
    const { code, signal, said, stderr } = await runFixture('stress.js', ['1000000', String(seconds)], { timeoutMs: (seconds + 120) * 1000 })
    total.rounds++
    if (code !== 0 || signal !== null || said === undefined || said.error !== undefined || said.descriptorsLeft !== 0) {
      total.failures++
      report(`FAILED  ${said?.error ?? `code ${code}, signal ${signal}`} ${stderr.slice(-2000)}`)
      continue
    }
    total.snapshots += said.snapshots
    total.retried += said.retried
    total.wrong += said.wrong.length
    total.maxAttempts = Math.max(total.maxAttempts, said.maxAttempts)
    total.maxPauseMs = Math.max(total.maxPauseMs, said.maxPauseMs)
    medians.push(said.medianPauseMs)
    report(`round ${total.rounds}: ${said.snapshots} snapshots, ${said.wrong.length} wrong, ${said.retried} needed more than one child, pause ${said.medianPauseMs.toFixed(1)} ms (median), ${said.maxPauseMs.toFixed(1)} ms (longest)`)
  }
  medians.sort((a, b) => a - b)
  report(`Node ${process.version}: ${JSON.stringify({ ...total, medianPauseMs: medians[medians.length >> 1] ?? null })}`)
  return total.failures + total.wrong
}
