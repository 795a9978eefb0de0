'use strict'

// A report service with Express 5 and offheap in it as in any service; and with a leak, behind one of its routes.
//
//   GET /health          a constant
//   GET /items/:id       JSON; nothing outside the V8 heap
//   GET /thumbnails/:id  a Buffer for each request, which is garbage when the response is through
//   GET /reports/:id     a rendered report, kept in a cache for the next time it is asked for. The cache goes by the whole
//                        query, in which every client has something of its own, and nothing ever leaves it: the leak
//   GET /debug/memory    one reading of offheap: open it and look at `externalAllocations.routes` and `.labels`
//
// Run it:   node examples/express-app/server.js
//           for i in $(seq 400); do curl -s "http://127.0.0.1:3000/reports/7?session=$i" > /dev/null; done
//           curl -s http://127.0.0.1:3000/debug/memory
// or let `npm run demo` do all of that.
//
// Environment: PORT (default 3000; 0 is a free one), EXTERNAL_LIMIT (default 64MB: a heap snapshot is written when external
// memory reaches it), SAMPLE_INTERVAL_MS (default 1000), SNAPSHOT_DIRECTORY (default: a folder in the system's temporary one).
// Started with an IPC channel it reports its events there, and ends when the channel closes.

const os = require('node:os')
const path = require('node:path')
const express = require('express')

const { start, track } = require('offheap')
const offheap = require('offheap/express')

const {
  PORT = '3000',
  EXTERNAL_LIMIT = '64MB',
  SAMPLE_INTERVAL_MS = '1000',
  SNAPSHOT_DIRECTORY = path.join(os.tmpdir(), 'offheap-express-app')
} = process.env

const REPORT_BYTES = 500_000
const THUMBNAIL_BYTES = 24_000

const monitor = start({
  sampleIntervalMs: Number(SAMPLE_INTERVAL_MS),
  thresholds: { external: EXTERNAL_LIMIT },
  snapshot: { directory: SNAPSHOT_DIRECTORY }
})
monitor.on('triggered', ({ metric, metricBytes, thresholdBytes, snapshot }) => report({ event: 'triggered', metric, metricBytes, thresholdBytes, snapshot }))
monitor.on('snapshotWritten', ({ file, byteLength, pauseMs, durationMs, mode }) => report({ event: 'snapshotWritten', file, byteLength, pauseMs, durationMs, mode }))
monitor.on('error', ({ code, message }) => report({ event: 'error', code, message }))

const app = express()

// On the loopback of a demonstration everybody may read it; in a service, give it `authorize` or a port of its own.
app.use(offheap({ path: '/debug/memory' }))

app.get('/health', (req, res) => {
  res.json({ ok: true })
})

app.get('/items/:id', (req, res) => {
  res.json({ id: req.params.id, name: `Item ${req.params.id}` })
})

app.get('/thumbnails/:id', async (req, res) => {
  res.type('application/octet-stream').send(await renderThumbnail(req.params.id))
})

const reports = new Map()

app.get('/reports/:id', async (req, res) => {
  const key = req.originalUrl
  let rendered = reports.get(key)
  if (rendered === undefined) {
    rendered = await renderReport(req.params.id)
    reports.set(key, rendered)
  }
  res.type('text/plain').send(rendered)
})

async function renderThumbnail (id) {
  await pretendToWork()
  return track(Buffer.alloc(THUMBNAIL_BYTES, id), { label: 'thumbnail' })
}

async function renderReport (id) {
  await pretendToWork()
  return track(Buffer.alloc(REPORT_BYTES, `report ${id}\n`), { label: 'rendered report' })
}

function pretendToWork () {
  return new Promise(setImmediate)
}

const server = app.listen(Number(PORT), '127.0.0.1', (error) => {
  if (error) throw error
  report({ event: 'listening', port: server.address().port })
})

function report (event) {
  if (process.connected) process.send(event)
  else if (process.send === undefined) console.log(JSON.stringify(event))
}

function end () {
  monitor.stop()
  server.close()
  server.closeAllConnections()
  if (process.connected) process.disconnect()
}
process.once('SIGINT', end)
process.once('SIGTERM', end)
if (process.send !== undefined) process.once('disconnect', end)
