'use strict'

// Readings of external memory, and what three of them say. No timers and no garbage collection in here.

const { externalAllocations, memory } = require('../../../index.js')

/** Figures of this isolate, from the exact one to the broad ones; `tracked` is one figure per label. */
const METRICS = ['trackedExternalBytes', 'external', 'arrayBuffers', 'declaredExternalBytes']

/**
 * @param {{ metrics: string[], label?: string }} watched
 * @returns {Map<string, Figure>} by key
 */
function read ({ metrics, label }) {
  const reading = new Map()
  if (metrics.includes('trackedExternalBytes')) {
    for (const [name, { liveBytes, liveCount }] of Object.entries(externalAllocations().labels)) {
      if (label === undefined || label === name) reading.set(`trackedExternalBytes ${name}`, { metric: 'trackedExternalBytes', label: name, bytes: liveBytes, count: liveCount })
    }
  }
  const figures = memory()
  for (const metric of metrics) {
    if (metric !== 'trackedExternalBytes') reading.set(metric, { metric, label: null, bytes: figures[metric], count: null })
  }
  return reading
}

/** Whether nothing has changed between two readings. */
function agree (one, other) {
  if (one.size !== other.size) return false
  for (const [key, { bytes, count }] of one) {
    const figure = other.get(key)
    if (figure === undefined || figure.bytes !== bytes || figure.count !== count) return false
  }
  return true
}

/**
 * How each figure went over two blocks of equal length, given the readings before, between and after.
 * A leak grows in every block, a cache or an allocator only in the first: so the second decides.
 */
function compare ([before, between, after], iterations, toleranceOf) {
  return [...after].map(([key, { metric, label, bytes, count }]) => {
    const first = before.get(key)
    const second = between.get(key)
    const measured = bytes !== null
    const toleranceBytes = toleranceOf(metric)
    const blockBytes = measured ? [(second?.bytes ?? 0) - (first?.bytes ?? 0), bytes - (second?.bytes ?? 0)] : null
    const blockCounts = count === null ? null : [(second?.count ?? 0) - (first?.count ?? 0), count - (second?.count ?? 0)]
    return {
      metric,
      label,
      blockBytes,
      blockCounts,
      bytesPerIteration: measured ? blockBytes[1] / iterations : null,
      toleranceBytes,
      grew: measured && blockBytes[1] > toleranceBytes
    }
  })
}

/** The figures that grew, a line each. */
function describe ({ iterations, warmup, attempts, figures }) {
  const times = `${iterations} iteration${iterations === 1 ? '' : 's'}`
  return figures.filter((figure) => figure.grew).map(({ metric, label, blockBytes, blockCounts, bytesPerIteration, toleranceBytes }) => {
    const name = metric === 'trackedExternalBytes' ? `label ${JSON.stringify(label)}` : metric
    const values = blockCounts === null ? '' : `, ${number(blockCounts[1] / iterations)} ${blockCounts[1] === iterations ? 'value' : 'values'}`
    return `  ${name}: +${number(bytesPerIteration)} bytes${values} per iteration` +
      ` (block 1: ${signed(blockBytes[0])} bytes, block 2: ${signed(blockBytes[1])} bytes, of ${times} each; tolerance ${toleranceBytes} bytes)`
  }).join('\n') + `\n  after ${warmup} calls to warm up, in each of ${attempts} attempts`
}

function number (value) {
  return Number.isInteger(value) ? String(value) : value.toFixed(1)
}

function signed (value) {
  return value < 0 ? String(value) : `+${value}`
}

module.exports = { METRICS, agree, compare, describe, read }
