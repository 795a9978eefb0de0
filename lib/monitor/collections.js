'use strict'

const { PerformanceObserver, constants, performance } = require('node:perf_hooks')

// The least time between two calls. Near the limit V8 collects many times per second, and a sample costs 0.1 ms.
const LEAST_MS = 100

/**
 * Calls `call` after major collections. The used heap is then the live heap, and a heap that fills up between two ticks of the timer is
 * noticed. Costs nothing between collections.
 * @param {() => void} call
 * @returns {() => void} ends the calls
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
