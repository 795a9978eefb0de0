'use strict'

const { PerformanceObserver, constants, performance } = require('node:perf_hooks')

// Near the limit V8 collects many times a second, and a reading costs 0.1 ms.
const LEAST_MS = 100

/**
 * Calls back after major collections: what is left then is the live heap, and a heap that fills up between two ticks of a
 * timer is seen. Costs nothing between collections. Returns what ends it.
 */
function afterMajorCollections (call) {
  let last = -Infinity
  const observer = new PerformanceObserver((list) => {
    const isMajor = list.getEntries().some(({ detail }) => detail?.kind === constants.NODE_PERFORMANCE_GC_MAJOR)
    if (!isMajor || performance.now() - last < LEAST_MS) return
    last = performance.now()
    call()
  })
  observer.observe({ entryTypes: ['gc'] })
  return () => observer.disconnect()
}

module.exports = { afterMajorCollections }
