'use strict'

const binding = require('../../base/load.js')
const { bufferState } = require('../pool.js')
const { fromNative } = require('../../base/errors.js')
const { inSource } = require('./frames.js')

// The numbers of a cell, in this order; see src/bindings/buffer_profile.rs.
const FIGURES = [
  'liveBytes', 'liveBytesVariance', 'liveCount', 'liveCountVariance', 'liveSampleCount',
  'totalBytes', 'totalBytesVariance', 'totalCount', 'totalCountVariance', 'totalSampleCount'
]

/** Settings of the sampling and, if wanted, the stack of each call site by its number. `undefined` when trackBuffers() was never called. */
function readSampling (withStacks = true) {
  const sampling = bufferState().readSampling(withStacks)
  if (sampling === undefined) return undefined
  const { startedAt, isActive, sampleIntervalBytes, functions, stacks } = sampling
  const known = new Map()
  const translate = (frame) => {
    // Stacks with a common frame get the same object for it.
    if (!known.has(frame)) known.set(frame, { ...inSource(frame) })
    return known.get(frame)
  }
  return { startedAt, isActive, sampleIntervalBytes, functions: Array.from(functions), stacks: Array.from(stacks, (stack) => Array.from(stack, translate)) }
}

/**
 * Sums by call site and route: `{ site, route, sums }`, with the sums in the order of FIGURES. `unseen` is added to the variance of any sum of
 * live bytes and of total bytes, for allocations that may not have been sampled.
 */
function readCells () {
  const { sites, routes, numbers, unseenVariance: [live, total] } = fromNative(() => binding.readSamples())
  const cells = Array.from(sites, (site, index) => ({
    site,
    route: routes[index],
    sums: Array.from(numbers.subarray(index * FIGURES.length, (index + 1) * FIGURES.length))
  }))
  return { cells, unseen: { live, total } }
}

/**
 * @param {{ sites?: boolean }} [options]
 * @returns {import('../../../index.js').BufferProfile}
 */
function readProfile ({ sites = true } = {}) {
  const sampling = readSampling(sites)
  if (sampling === undefined) return nothingSampled(sites)
  const { startedAt, isActive, sampleIntervalBytes, functions, stacks } = sampling
  const { cells, unseen } = readCells()
  return {
    active: isActive,
    startedAt: new Date(startedAt).toISOString(),
    sampleIntervalBytes,
    functions,
    ...figures(cells, unseen),
    sites: sites ? bySite(cells, stacks, unseen) : null,
    routes: byRoute(cells, unseen)
  }
}

/** The same names, all `null`: without samples no figure is known. */
function nothingSampled (sites) {
  const unknown = Object.fromEntries(Object.keys(figures([], { live: 0, total: 0 })).map((name) => [name, null]))
  return { active: false, startedAt: null, sampleIntervalBytes: null, functions: [], ...unknown, sites: sites ? [] : null, routes: {} }
}

function bySite (cells, stacks, unseen) {
  const sites = [...groupBy(cells, ({ site }) => site)].map(([site, own]) => ({
    ...figures(own, unseen),
    // Copies, because several stacks contain the same frame object.
    stack: stacks[site].map((frame) => ({ ...frame })),
    routes: byRoute(own, unseen)
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

function byRoute (cells, unseen) {
  // Object.fromEntries() keeps a route named __proto__; a plain assignment would lose it.
  return Object.fromEntries([...groupBy(cells, ({ route }) => route)].map(([route, own]) => [route, figures(own, unseen)]))
}

// The least that an allocation counts, see EXTRA in lib/buffers/main-realm.js. Without samples, all allocations may be as small as this.
const LEAST_BYTES = 8

function figures (cells, unseen) {
  const sums = Object.fromEntries(FIGURES.map((name, index) => [name, cells.reduce((sum, cell) => sum + cell.sums[index], 0)]))
  return { ...estimates(sums, 'live', unseen.live), ...estimates(sums, 'total', unseen.total) }
}

function estimates (sums, kind, unseenVariance) {
  const of = (name) => sums[`${kind}${name}`]
  // Allocations that were not sampled are assumed to be as large as the sampled ones: of this kind or, without samples, of all.
  const [bytes, count] = of('Count') > 0 ? [of('Bytes'), of('Count')] : [sums.totalBytes, sums.totalCount]
  const meanBytes = count > 0 ? Math.max(bytes / count, LEAST_BYTES) : LEAST_BYTES
  return {
    [`${kind}Bytes`]: Math.round(of('Bytes')),
    [`${kind}BytesStandardError`]: Math.round(Math.sqrt(of('BytesVariance') + unseenVariance)),
    [`${kind}Count`]: Math.round(of('Count')),
    [`${kind}CountStandardError`]: Math.round(Math.sqrt(of('CountVariance') + unseenVariance / meanBytes ** 2)),
    [`${kind}SampleCount`]: of('SampleCount')
  }
}

module.exports = { readProfile, readSampling }
