'use strict'

// A service that leaks Buffers, and a Monitor that notices: it fires once, and writes one heap snapshot.
// Run: node examples/monitor.js [directory for the snapshot]

const fs = require('node:fs')
const os = require('node:os')
const path = require('node:path')
const { start } = require('offheap')

const directory = process.argv[2] ?? fs.mkdtempSync(path.join(os.tmpdir(), 'offheap-example-'))

const monitor = start({
  sampleIntervalMs: 50,
  thresholds: { arrayBuffers: { growth: '20MB', overMs: 500 } },
  snapshot: { directory, gzip: true, maxFiles: 2 }
})

const cache = []
const requests = setInterval(() => cache.push(Buffer.alloc(500_000)), 10)

monitor.on('triggered', ({ metric, valueBytes, threshold, snapshot }) => {
  console.log(`${metric} grew by ${megabytes(valueBytes)} (threshold: ${threshold.growth} in ${threshold.overMs} ms); snapshot: ${snapshot}`)
})
monitor.on('snapshotWritten', ({ file, byteLength, pauseMs }) => {
  console.log(`${file}: ${megabytes(byteLength)}; the thread stood still for ${Math.round(pauseMs)} ms`)
  clearInterval(requests)
  monitor.stop()
})
monitor.on('error', (error) => {
  console.error(error)
  process.exitCode = 1
  clearInterval(requests)
  monitor.stop()
})

function megabytes (bytes) {
  return `${(bytes / 1e6).toFixed(1)} MB`
}
