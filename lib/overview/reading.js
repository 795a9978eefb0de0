'use strict'

// One reading of all that is cheap to read: what the middleware serves, and what an exporter or another framework takes its figures from.
// Numbers, and the labels, route templates and names of addons that they belong to. No value of a request, no environment, no path of the machine.

const { threadId } = require('node:worker_threads')

const { addonRows, isWatching } = require('../addons/addons.js')
const { bufferProfile } = require('../buffers/profile.js')
const { externalAllocations, ownReferences } = require('../external/external-allocations.js')
const { requestCounts } = require('../external/route-context.js')
const { memory } = require('../memory/memory.js')

/** @returns {import('../../index.js').Reading} */
function reading () {
  return {
    at: new Date().toISOString(),
    pid: process.pid,
    threadId,
    memory: memory(),
    externalAllocations: externalAllocations(),
    // Call sites have paths of the machine in them.
    bufferProfile: bufferProfile({ sites: false }),
    addons: isWatching() ? addonRows().map(withoutFiles) : null,
    requestCounts: requestCounts(),
    ownReferences: ownReferences()
  }
}

/** A reason names the file where there is one. */
function withoutFiles ({ id, file, osThreadId, coverageReason, stacks, ...row }) {
  return row
}

module.exports = { reading }
