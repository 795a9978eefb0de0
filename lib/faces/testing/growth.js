'use strict'

// Reads figures of external memory, and compares those of three moments. No timers and no garbage collection in this file.

const { externalAllocations, memory } = require('../../../index.js')

/** Figures of this isolate, the exact one first; `trackedExternalBytes` is one figure per label. */
const METRICS = ['trackedExternalBytes', 'external', 'arrayBuffers', 'declaredExternalBytes']

/**
 * @param {{ metrics: string[], label?: string }} selection
 * @returns {Map<string, Figure>} by key
 */
function read ({ metrics, label }) {
  const figures = new Map()
  if (metrics.includes('trackedExternalBytes')) {
    for (const [name, { liveBytes, liveCount }] of Object.entries(externalAllocations().labels)) {
      if (label === undefined || label === name) figures.set(`trackedExternalBytes ${name}`, { metric: 'trackedExternalBytes', label: name, bytes: liveBytes, count: liveCount })
    }
  }
  const now = memory()
  for (const metric of metrics) {
    if (metric !== 'trackedExternalBytes') figures.set(metric, { metric, label: null, bytes: now[metric], count: null })
  }
  return figures
}

/** Whether all figures are equal. */
function agree (one, other) {
  if (one.size !== other.size) return false
  for (const [key, { bytes, count }] of one) {
    const figure = other.get(key)
    if (figure === undefined || figure.bytes !== bytes || figure.count !== count) return false
  }
  return true
}

/**
 * The growth of each figure over two blocks of equal length, from the figures before, between and after them.
 * A leak grows in every block. A cache or an allocator grows in the first block only. So the second block decides.
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

/** The figures that grew, one line each. */
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
