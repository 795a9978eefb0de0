'use strict'

// The public face: re-exports only.

const { OffheapError } = require('./lib/base/errors.js')
const { support } = require('./lib/overview/support.js')
const { reading } = require('./lib/overview/reading.js')
const { track, untrack } = require('./lib/external/track.js')
const { allocExternal } = require('./lib/external/alloc-external.js')
const { externalAllocations } = require('./lib/external/external-allocations.js')
const { createRouteContext } = require('./lib/external/route-context.js')
const { addons, watchAddons } = require('./lib/addons/addons.js')
const { settledAddons } = require('./lib/addons/settled-addons.js')
const { census } = require('./lib/buffers/census.js')
const { unslab } = require('./lib/buffers/unslab.js')
const { bufferProfile, trackBuffers } = require('./lib/buffers/profile.js')
const { memory } = require('./lib/memory/memory.js')
const { residentBreakdown } = require('./lib/memory/resident-breakdown.js')
const { trim } = require('./lib/memory/trim.js')
const { start } = require('./lib/monitor/start.js')
const { writeHeapSnapshot } = require('./lib/heap/snapshot-file/write.js')
const { probe } = require('./lib/probe/probe.js')

module.exports = {
  OffheapError,
  addons,
  allocExternal,
  bufferProfile,
  census,
  createRouteContext,
  externalAllocations,
  memory,
  probe,
  reading,
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
