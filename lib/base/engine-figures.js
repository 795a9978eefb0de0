'use strict'

const v8 = require('./v8.js')

/**
 * Memory figures of V8 and Node for this isolate. `process.memoryUsage()` throws without /proc, because of `rss`. The heap's figures are
 * then read from V8.
 * @returns {{ rss: number | null, heapTotal: number, heapUsed: number, external: number, arrayBuffers: number | null, heap: import('node:v8').HeapInfo }}
 */
function engineFigures () {
  const heap = v8().getHeapStatistics()
  try {
    const { rss, heapTotal, heapUsed, external, arrayBuffers } = process.memoryUsage()
    return { rss, heapTotal, heapUsed, external, arrayBuffers, heap }
  } catch {
    const { total_heap_size: heapTotal, used_heap_size: heapUsed, external_memory: external } = heap
    return { rss: null, heapTotal, heapUsed, external, arrayBuffers: null, heap }
  }
}

module.exports = { engineFigures }
