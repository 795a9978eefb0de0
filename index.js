'use strict'

// The public face: re-exports only.

const { addonChecks, addons, watchAddons } = require('./lib/addons.js')
const { allocExternal } = require('./lib/alloc-external.js')
const { bufferPool } = require('./lib/buffer-pool.js')
const { bufferProfile, trackBuffers } = require('./lib/buffer-profile.js')
const { census } = require('./lib/census.js')
const { OffheapError } = require('./lib/errors.js')
const { externalAllocations, ownReferences } = require('./lib/external-allocations.js')
const { writeHeapSnapshot } = require('./lib/heap-snapshot/write.js')
const { memory } = require('./lib/memory.js')
const { start } = require('./lib/monitor/start.js')
const { probe } = require('./lib/probe.js')
const { residentBreakdown } = require('./lib/resident-breakdown.js')
const { createRouteContext } = require('./lib/route-context.js')
const { settledAddons } = require('./lib/settled-addons.js')
const { analyzeHeapSnapshot, compareHeapSnapshots, redactHeapSnapshot } = require('./lib/snapshot-analysis.js')
const { support } = require('./lib/support.js')
const { track, untrack } = require('./lib/track.js')
const { trim } = require('./lib/trim.js')
const { unslab } = require('./lib/unslab.js')

module.exports = {
  OffheapError,
  addonChecks,
  addons,
  allocExternal,
  analyzeHeapSnapshot,
  bufferPool,
  bufferProfile,
  census,
  compareHeapSnapshots,
  createRouteContext,
  externalAllocations,
  memory,
  ownReferences,
  probe,
  redactHeapSnapshot,
  residentBreakdown,
  settledAddons,
  start,
  support,
  track,
  trackBuffers,
  trim,
  unslab,
  untrack,
  watchAddons,
  writeHeapSnapshot
}
