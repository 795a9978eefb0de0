'use strict'

// Reads all figures that are cheap to read. The middleware serves them, and exporters and other frameworks use them.
// A reading contains numbers, and the labels, route templates and addon names that they belong to. It contains no value of a request, no
// environment variable and no path of the machine.

const { addonRows } = require('../addons/addons.js')
const { isWatching } = require('../addons/watch.js')
const { threadId } = require('../base/thread.js')
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
    // Call sites contain paths of the machine.
    bufferProfile: bufferProfile({ sites: false }),
    addons: isWatching() ? addonRows().map(withoutFiles) : null,
    requestCounts: requestCounts(),
    ownReferences: ownReferences()
  }
}

/** The row without paths. `coverageReason` may contain the addon's path too. */
function withoutFiles ({ id, file, osThreadId, coverageReason, stacks, ...row }) {
  return row
}

module.exports = { reading }
