'use strict'

// The public face: re-exports only.
//
// What a request may call is loaded now, and what says where the memory is and what works here. The files of the other functions are loaded at the first
// call: they would take three quarters of the time and of the memory. What begins something that goes on (start, trackBuffers, watchAddons) loads all that
// it will need when it begins.

const { atFirstCall } = require('./lib/base/first-call.js')
const { OffheapError } = require('./lib/base/errors.js')
require('./lib/base/thread.js') // tells the native side which thread this is
const { track, untrack } = require('./lib/external/track.js')
const { allocExternal } = require('./lib/external/alloc-external.js')
const { externalAllocations } = require('./lib/external/external-allocations.js')
const { createRouteContext } = require('./lib/external/route-context.js')
const { unslab } = require('./lib/buffers/unslab.js')
const { memory } = require('./lib/memory/memory.js')
const { support } = require('./lib/overview/support.js')
const { probe } = require('./lib/probe/probe.js')

function addons (options) {
  return atFirstCall('addons', () => require('./lib/addons/addons.js')).addons(options)
}

function bufferProfile (options) {
  return atFirstCall('bufferProfile', () => require('./lib/buffers/profile.js')).bufferProfile(options)
}

async function census (options) {
  return atFirstCall('census', () => require('./lib/buffers/census.js')).census(options)
}

function reading () {
  return atFirstCall('reading', () => require('./lib/overview/reading.js')).reading()
}

function residentBreakdown (options) {
  return atFirstCall('residentBreakdown', () => require('./lib/memory/resident-breakdown.js')).residentBreakdown(options)
}

async function settledAddons (options) {
  return atFirstCall('settledAddons', () => require('./lib/addons/settled-addons.js')).settledAddons(options)
}

function start (options) {
  return atFirstCall('start', () => require('./lib/monitor/start.js')).start(options)
}

function trackBuffers (options) {
  return atFirstCall('trackBuffers', () => require('./lib/buffers/track-buffers.js')).trackBuffers(options)
}

async function trim () {
  return atFirstCall('trim', () => require('./lib/memory/trim.js')).trim()
}

function watchAddons (options) {
  return atFirstCall('watchAddons', () => require('./lib/addons/watch.js')).watchAddons(options)
}

async function writeHeapSnapshot (options) {
  return atFirstCall('writeHeapSnapshot', () => require('./lib/heap/snapshot-file/write.js')).writeHeapSnapshot(options)
}

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
