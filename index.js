'use strict'

// The public face: re-exports only.

const { addonChecks, addons, watchAddons } = require('./lib/addons/addons.js')
const { allocExternal } = require('./lib/external/alloc-external.js')
const { bufferPool } = require('./lib/buffers/pool.js')
const { bufferProfile, trackBuffers } = require('./lib/buffers/profile.js')
const { census } = require('./lib/buffers/census.js')
const { OffheapError } = require('./lib/base/errors.js')
const { externalAllocations, ownReferences } = require('./lib/external/external-allocations.js')
const { writeHeapSnapshot } = require('./lib/heap/snapshot-file/write.js')
const { memory } = require('./lib/memory/memory.js')
const { start } = require('./lib/monitor/start.js')
const { probe } = require('./lib/probe/probe.js')
const { residentBreakdown } = require('./lib/memory/resident-breakdown.js')
const { createRouteContext } = require('./lib/external/route-context.js')
const { settledAddons } = require('./lib/addons/settled-addons.js')
const { analyzeHeapSnapshot, compareHeapSnapshots, redactHeapSnapshot } = require('./lib/heap/analysis.js')
const { support } = require('./lib/faces/support.js')
const { track, untrack } = require('./lib/external/track.js')
const { trim } = require('./lib/memory/trim.js')
const { unslab } = require('./lib/buffers/unslab.js')

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
