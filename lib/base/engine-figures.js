'use strict'

const v8 = require('node:v8')

/**
 * What V8 and Node count in this isolate. `process.memoryUsage()` throws where there is no /proc, because of `rss`; the
 * heap's figures are to be had all the same.
 * @returns {{ rss: number | null, heapTotal: number, heapUsed: number, external: number, arrayBuffers: number | null, heap: v8.HeapInfo }}
 */
function engineFigures () {
  const heap = v8.getHeapStatistics()
  try {
    const { rss, heapTotal, heapUsed, external, arrayBuffers } = process.memoryUsage()
    return { rss, heapTotal, heapUsed, external, arrayBuffers, heap }
  } catch {
    const { total_heap_size: heapTotal, used_heap_size: heapUsed, external_memory: external } = heap
    return { rss: null, heapTotal, heapUsed, external, arrayBuffers: null, heap }
  }
}

module.exports = { engineFigures }
