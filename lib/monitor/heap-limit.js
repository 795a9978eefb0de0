'use strict'

const { isMainThread } = require('../base/thread.js')

const OLD_SPACE = /^--max[-_]old[-_]space[-_]size=(\d+)$/

/**
 * How far the V8 heap can grow before V8 gives up: the maximum size of the old generation, where one was set. V8's own `heap_size_limit`
 * adds three times the largest young generation (48 MiB on Node 20 and 22, up to 192 MiB on 24). The heap never reaches that limit: on
 * Node 24 with --max-old-space-size=96, the process died before the heap reached 40 % of it.
 * @param {number} heapLimitBytes V8's own figure
 */
function heapLimitBase (heapLimitBytes) {
  const megabytes = oldGenerationMegabytes()
  return megabytes > 0 ? Math.min(heapLimitBytes, megabytes * 2 ** 20) : heapLimitBytes
}

function oldGenerationMegabytes () {
  if (!isMainThread) {
    const { resourceLimits } = require('node:worker_threads')
    if (resourceLimits.maxOldGenerationSizeMb > 0) return resourceLimits.maxOldGenerationSizeMb
  }
  const given = [...(process.env.NODE_OPTIONS ?? '').split(/\s+/), ...process.execArgv]
    .map((argument) => OLD_SPACE.exec(argument)?.[1])
    .filter((value) => value !== undefined)
  return given.length > 0 ? Number(given[given.length - 1]) : 0
}

module.exports = { heapLimitBase }
