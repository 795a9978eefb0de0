'use strict'

const binding = require('../load.js')
const { bufferState } = require('../buffer-pool.js')
const { OffheapError, fromNative } = require('../errors.js')
const { inSource } = require('./frames.js')

// Numbers per cell, in this order; see src/bindings/buffer_profile.rs.
const FIGURES = [
  'liveBytes', 'liveBytesVariance', 'liveCount', 'liveCountVariance', 'liveSampleCount',
  'totalBytes', 'totalBytesVariance', 'totalCount', 'totalCountVariance', 'totalSampleCount'
]

/** What is sampled and how; stacks by number of site, if wanted. Throws where nothing was. */
function readSampling (withStacks = true) {
  const reading = bufferState().reading(withStacks)
  if (reading === undefined) {
    throw new OffheapError('ERR_OFFHEAP_BUFFERS_NOT_TRACKED',
      'Nobody has sampled Buffers in this thread; call trackBuffers() first, or preload offheap/register')
  }
  const { startedAt, isActive, sampleIntervalBytes, functions, stacks } = reading
  const known = new Map()
  const translate = (frame) => {
    // The same frame object in all stacks that share it.
    if (!known.has(frame)) known.set(frame, { ...inSource(frame) })
    return known.get(frame)
  }
  return { startedAt, isActive, sampleIntervalBytes, functions: Array.from(functions), stacks: Array.from(stacks, (stack) => Array.from(stack, translate)) }
}

/** Sums by call site and route: `{ site, route, sums }`, where sums are in the order of FIGURES. */
function readCells () {
  const { sites, routes, numbers } = fromNative(() => binding.readSamples())
  return Array.from(sites, (site, index) => ({
    site,
    route: routes[index],
    sums: Array.from(numbers.subarray(index * FIGURES.length, (index + 1) * FIGURES.length))
  }))
}

/**
 * @param {{ sites?: boolean }} [options]
 * @returns {import('../../index.js').BufferProfile}
 */
function readProfile ({ sites = true } = {}) {
  const { startedAt, isActive, sampleIntervalBytes, functions, stacks } = readSampling(sites)
  const cells = readCells()
  return {
    startedAt: new Date(startedAt).toISOString(),
    isActive,
    sampleIntervalBytes,
    functions,
    ...figures(cells),
    sites: sites ? bySite(cells, stacks) : null,
    routes: byRoute(cells)
  }
}

function bySite (cells, stacks) {
  const sites = [...groupBy(cells, ({ site }) => site)].map(([site, own]) => ({
    ...figures(own),
    // A copy: frames are shared among stacks.
    stack: stacks[site].map((frame) => ({ ...frame })),
    routes: byRoute(own)
  }))
  return sites.sort((a, b) => b.liveBytes - a.liveBytes || b.totalBytes - a.totalBytes)
}

function groupBy (list, keyOf) {
  const groups = new Map()
  for (const item of list) {
    const key = keyOf(item)
    const group = groups.get(key)
    if (group === undefined) groups.set(key, [item])
    else group.push(item)
  }
  return groups
}

function byRoute (cells) {
  // Not a plain assignment, which would lose a route named __proto__.
  return Object.fromEntries([...groupBy(cells, ({ route }) => route)].map(([route, own]) => [route, figures(own)]))
}

function figures (cells) {
  const sums = FIGURES.map((_, index) => cells.reduce((sum, cell) => sum + cell.sums[index], 0))
  return Object.fromEntries(FIGURES.map((name, index) => name.endsWith('Variance')
    ? [name.replace('Variance', 'StandardError'), Math.round(Math.sqrt(sums[index]))]
    : [name, Math.round(sums[index])]))
}

module.exports = { readProfile, readSampling }
