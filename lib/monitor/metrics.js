'use strict'

// The metrics of thresholds: figures of memory() and residentBreakdown(), with the same names, and two sums of what addons hold. Limits
// (`heapLimitBytes`, `cgroupLimitBytes`, …) are no metrics; percentages refer to them.

const { addonExternalBytes, liveReferences } = require('./addon-metrics.js')
const { heapLimitBase } = require('./heap-limit.js')

const processBase = {
  of: 'the cgroup limit, or the memory of the container or machine where there is none',
  read: ({ cgroupLimitBytes, containerTotalBytes, machineTotalBytes }) => cgroupLimitBytes ?? containerTotalBytes ?? machineTotalBytes
}
const heapBase = { of: 'the heap limit', read: ({ heapLimitBytes }) => heapLimitBase(heapLimitBytes) }
const cgroupBase = { of: 'the cgroup limit', read: ({ cgroupLimitBytes }) => cgroupLimitBytes }

/** Figures of `memory()`, by the base of a percentage. */
const OF_MEMORY = [
  [processBase, ['rss', 'rssAnonBytes', 'rssFileBytes', 'rssShmemBytes', 'external', 'arrayBuffers', 'otherExternalBytes', 'declaredExternalBytes', 'trackedExternalBytes', 'globalHandlesBytes']],
  [heapBase, ['heapTotal', 'heapUsed']],
  [cgroupBase, ['cgroupUsageBytes', 'cgroupWorkingSetBytes']]
]
/** Figures of `memory().bufferPool`. */
const OF_POOL = ['liveBytes', 'pinnedBytes']

/** Figures of `residentBreakdown()`: those that only malloc knows, those that exist only when malloc is not asked, and all. */
const OF_MALLOC = ['mallocInUseBytes', 'mallocFreeBytes', 'mallocFreeAtMostBytes', 'notResidentBytes']
const WITHOUT_MALLOC = ['mallocUndividedBytes']
const OF_BREAKDOWN = [
  'v8HeapBytes', 'wasmBytes', 'arrayBuffersResidentBytes', ...OF_MALLOC, ...WITHOUT_MALLOC, 'threadStacksBytes', 'fileMappingsBytes', 'sharedMemoryBytes',
  'otherAnonymousBytes', 'unexplainedBytes', 'otherDeclaredBytes', 'swappedBytes'
]

/**
 * Every metric: how to read it from a sample, and the base of a percentage.
 * @type {Record<string, {
 *   read: (sample: object, addon?: string | null) => number | null, base: { of?: string, read: (sample: object) => number | null },
 *   ofAddon?: boolean, counts?: boolean, ofBreakdown?: boolean, ofPool?: boolean, mayBeMissing?: boolean
 * }>}
 */
const METRICS = {}
for (const [base, names] of OF_MEMORY) for (const name of names) METRICS[name] = { read: (sample) => sample[name], base }
// It is null while SharedArrayBuffers outweigh the rest, and may have a value later.
METRICS.otherExternalBytes.mayBeMissing = true
for (const name of OF_POOL) METRICS[`bufferPool.${name}`] = { read: ({ bufferPool }) => bufferPool?.[name] ?? null, base: processBase, ofPool: true }
for (const name of OF_BREAKDOWN) METRICS[name] = { read: ({ residentBreakdown }) => residentBreakdown?.[name] ?? null, base: processBase, ofBreakdown: true }
// Thresholds on these two may name an addon.
METRICS.references = { read: liveReferences, base: { read: () => null }, ofAddon: true, counts: true }
METRICS.addonExternalBytes = { read: addonExternalBytes, base: processBase, ofAddon: true }

module.exports = { METRICS, OF_MALLOC, WITHOUT_MALLOC }
