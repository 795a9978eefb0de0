'use strict'

// What the middleware serves: numbers, and the labels and route templates that they belong to. No value of a request, no
// environment, no path of the machine.

const { threadId } = require('node:worker_threads')

const { addons, externalAllocations, memory, ownReferences } = require('../../index.js')
const { isWatching } = require('../addons.js')

/**
 * @param {Map<string, number> | undefined} requestCounts by route
 * @returns {import('../../express.js').MemoryReading}
 */
function reading (requestCounts) {
  return {
    timeMs: Date.now(),
    pid: process.pid,
    threadId,
    memory: memory(),
    externalAllocations: externalAllocations(),
    ownReferences: ownReferences(),
    addons: servedAddons(),
    requestCounts: requestCounts === undefined ? null : Object.fromEntries(requestCounts)
  }
}

/** What each addon holds, without the paths of files and whatever may have one in it; `null` while nobody watches. */
function servedAddons () {
  if (!isWatching()) return null
  return addons().map(({ id, file, osThreadId, coverageReason, stacks, growth, ...row }) => row)
}

/** JSON has no BigInt, and a figure that becomes one some day is not to break the page. */
function toJson (value) {
  return JSON.stringify(value, (key, item) => typeof item === 'bigint' ? Number(item) : item)
}

module.exports = { reading, toJson }
