'use strict'

// offheap/analysis: what is done with snapshot files. Re-exports only.

const { analyzeHeapSnapshot, compareHeapSnapshots, redactHeapSnapshot } = require('./lib/heap/analysis.js')

module.exports = { analyzeHeapSnapshot, compareHeapSnapshots, redactHeapSnapshot }
