'use strict'

// What the middleware serves: numbers, and the labels and route templates that they belong to. No value of a request, no
// environment, no path of the machine.

const { threadId } = require('node:worker_threads')

const { addons, bufferPool, bufferProfile, externalAllocations, memory, ownReferences } = require('../../../index.js')

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
    bufferPool: pool(),
    sampledBuffers: sampledBuffers(),
    addons: servedAddons(),
    requestCounts: requestCounts === undefined ? null : Object.fromEntries(requestCounts)
  }
}

function pool () {
  const { createdCount, liveCount, liveBytes, liveCountStandardError, currentSlab, coverage } = bufferPool()
  return { createdCount, liveCount, liveBytes, liveCountStandardError, currentSlab, coverage }
}

/** By route; call sites have paths of the machine in them. `null` where nobody samples. */
function sampledBuffers () {
  try {
    const { sampleIntervalBytes, liveBytes, liveBytesStandardError, routes } = bufferProfile({ sites: false })
    return { sampleIntervalBytes, liveBytes, liveBytesStandardError, routes }
  } catch (error) {
    if (error.code === 'ERR_OFFHEAP_BUFFERS_NOT_TRACKED') return null
    throw error
  }
}

/** What each addon holds, without the paths of files and whatever may have one in it; `null` while none is counted. */
function servedAddons () {
  let rows
  try {
    rows = addons()
  } catch {
    // Not to be had on this platform.
    return null
  }
  if (!rows.some(({ coverage }) => coverage !== 'none')) return null
  return rows.map(({ id, file, osThreadId, coverageReason, stacks, growth, ...row }) => row)
}

/** JSON has no BigInt, and a figure that becomes one some day is not to break the page. */
function toJson (value) {
  return JSON.stringify(value, (key, item) => typeof item === 'bigint' ? Number(item) : item)
}

module.exports = { reading, toJson }
