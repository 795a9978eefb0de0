'use strict'

// The metrics that a threshold can be on: figures of memory() and residentBreakdown() under the names that they have there, and two sums of
// what addons hold. Limits (`heapLimit`, `cgroupLimitBytes`, …) are no metrics: percentages are taken of them.

const { addonExternalBytes, liveReferences } = require('./addon-metrics.js')
const { heapLimitBase } = require('./heap-limit.js')

const processBase = {
  of: 'the cgroup limit, or the memory of the container or machine where there is none',
  read: ({ cgroupLimitBytes, containerTotalBytes, machineTotalBytes }) => cgroupLimitBytes ?? containerTotalBytes ?? machineTotalBytes
}
const heapBase = { of: 'the heap limit', read: ({ heapLimit }) => heapLimitBase(heapLimit) }
const cgroupBase = { of: 'the cgroup limit', read: ({ cgroupLimitBytes }) => cgroupLimitBytes }

/** Of `memory()`, by what a percentage is taken of. */
const OF_MEMORY = [
  [processBase, ['rss', 'rssAnonBytes', 'rssFileBytes', 'rssShmemBytes', 'external', 'arrayBuffers', 'otherExternalBytes', 'declaredExternalBytes', 'trackedExternalBytes', 'globalHandlesBytes']],
  [heapBase, ['heapTotal', 'heapUsed']],
  [cgroupBase, ['cgroupUsageBytes', 'cgroupWorkingSetBytes']]
]
/** Of its `bufferPool`. */
const OF_POOL = ['liveBytes', 'pinnedBytes']

/** Of `residentBreakdown()`: what malloc must be asked for, what is there only where it is not asked, and the rest. */
const OF_MALLOC = ['mallocInUseBytes', 'mallocFreeBytes', 'mallocFreeAtMostBytes', 'notResidentBytes']
const WITHOUT_MALLOC = ['mallocUndividedBytes']
const OF_BREAKDOWN = [
  'v8HeapBytes', 'wasmBytes', 'arrayBuffersResidentBytes', ...OF_MALLOC, ...WITHOUT_MALLOC, 'threadStacksBytes', 'fileMappingsBytes', 'sharedMemoryBytes',
  'otherAnonymousBytes', 'unexplainedBytes', 'swappedBytes'
]

/**
 * Every metric: how it is read from a sample, and what a percentage of it is taken of.
 * @type {Record<string, {
 *   read: (sample: object, addon?: string | null) => number | null, base: { of?: string, read: (sample: object) => number | null },
 *   ofAddon?: boolean, counts?: boolean, ofBreakdown?: boolean, ofPool?: boolean, mayBeMissing?: boolean
 * }>}
 */
const METRICS = {}
for (const [base, names] of OF_MEMORY) for (const name of names) METRICS[name] = { read: (sample) => sample[name], base }
// There is no figure while SharedArrayBuffers outweigh the rest; later there is one.
METRICS.otherExternalBytes.mayBeMissing = true
for (const name of OF_POOL) METRICS[`bufferPool.${name}`] = { read: ({ bufferPool }) => bufferPool?.[name] ?? null, base: processBase, ofPool: true }
for (const name of OF_BREAKDOWN) METRICS[name] = { read: ({ residentBreakdown }) => residentBreakdown?.[name] ?? null, base: processBase, ofBreakdown: true }
// These two may name an addon.
METRICS.references = { read: liveReferences, base: { read: () => null }, ofAddon: true, counts: true }
METRICS.addonExternalBytes = { read: addonExternalBytes, base: processBase, ofAddon: true }

module.exports = { METRICS, OF_MALLOC, WITHOUT_MALLOC }
