'use strict'

// Thresholds are on figures under the names that memory() and residentBreakdown() have for them.

const test = require('node:test')
const assert = require('node:assert')
const { once } = require('node:events')
const { memory, residentBreakdown, start, support, trackBuffers } = require('../..')
const { METRICS } = require('../../lib/monitor/metrics.js')
const { emptyFolder } = require('../helpers/folder.js')
const { runScript } = require('../helpers/child.js')

const noBreakdown = support().residentBreakdown.available ? false : 'no breakdown here'

// What a percentage is taken of, and what is left of the machine: nothing crosses a limit by having one.
const LIMITS = ['heapLimitBytes', 'cgroupLimitBytes', 'cgroupVersion', 'machineTotalBytes', 'machineAvailableBytes', 'containerTotalBytes']
// No bytes: counts of slabs, and where the current one is.
const OF_POOL = ['bufferPool.liveBytes', 'bufferPool.pinnedBytes']

test('every figure of memory() and of residentBreakdown() is a metric under its own name', { skip: noBreakdown }, async () => {
  const ofMemory = Object.keys(memory()).filter((name) => name !== 'bufferPool' && !LIMITS.includes(name))
  const { rss, largest, ...breakdown } = await residentBreakdown()

  assert.deepStrictEqual(Object.keys(METRICS).sort(), [...ofMemory, ...OF_POOL, ...Object.keys(breakdown), 'references', 'addonExternalBytes'].sort())
  const sample = { ...memory(), residentBreakdown: { ...breakdown } }
  for (const name of ofMemory) assert.strictEqual(METRICS[name].read(sample), sample[name], name)
  for (const name of Object.keys(breakdown)) assert.strictEqual(METRICS[name].read(sample), breakdown[name], name)
  assert.strictEqual(METRICS['bufferPool.liveBytes'].read(sample), sample.bufferPool.liveBytes)
})

test('slabs that slices alone keep alive cross a threshold on bufferPool.pinnedBytes', async (t) => {
  const monitor = start({ sampleIntervalMs: 1e6, thresholds: { 'bufferPool.pinnedBytes': { above: '600kB', forSamples: 1 } }, trackBuffers: true })
  t.after(() => monitor.stop())
  const fired = []
  monitor.on('triggered', (event) => fired.push(event))
  monitor.sample()
  // A slice of each slab, and no sample in between.
  const kept = []
  for (let slab; kept.length * (slab?.byteLength ?? 0) < 4_000_000;) {
    let slice
    do slice = Buffer.allocUnsafe(8); while (slice.buffer === slab)
    slab = slice.buffer
    kept.push(slice)
  }
  monitor.sample()

  const [{ metric, metricBytes, sample }] = fired
  const { byteLength } = kept[0].buffer
  assert.strictEqual(metric, 'bufferPool.pinnedBytes')
  // All but the slab in use, and those that slices of others keep. Of slabs that are made in quick succession a part is watched.
  const error = 40 + 5 * sample.bufferPool.liveCountStandardError
  assert.ok(Math.abs(metricBytes / byteLength - kept.length) < error, `${metricBytes / byteLength} slabs for ${kept.length}, ± ${error}`)
  assert.strictEqual(metricBytes, sample.bufferPool.liveBytes - sample.bufferPool.currentSlab.byteLength)
})

test('a threshold on the pool is refused where most slabs would not be seen', (t) => {
  const thresholds = { 'bufferPool.pinnedBytes': '5MB' }
  for (const trackBuffers of [false, { functions: ['from', 'alloc'] }]) {
    assert.throws(() => start({ thresholds, trackBuffers }), { code: 'ERR_OFFHEAP_METRIC_UNAVAILABLE', message: /trackBuffers.*: true/ })
  }
  const tracking = trackBuffers()
  start({ thresholds }).stop()
  tracking.stop()
  assert.throws(() => start({ thresholds }), { code: 'ERR_OFFHEAP_METRIC_UNAVAILABLE' })
  start({ thresholds, trackBuffers: true }).stop()
})

test('a limit in per cent is a whole number of bytes in the event', (t) => {
  const monitor = start({ sampleIntervalMs: 1e6, thresholds: { rss: { above: '0.0123%', forSamples: 1 } } })
  t.after(() => monitor.stop())
  let event
  monitor.on('triggered', (triggered) => { event = triggered })
  monitor.sample()
  assert.ok(Number.isSafeInteger(event.thresholdBytes), String(event.thresholdBytes))
})

test('a threshold on a figure of the breakdown fires by the breakdown, which is taken off the thread and counts once', { skip: noBreakdown }, async () => {
  const { messages, code, stderr } = await runScript(`
    const monitor = offheap.start({ sampleIntervalMs: 10, thresholds: { arrayBuffersResidentBytes: { above: '100MB', forSamples: 2 }, v8HeapBytes: '1TB' } })
    globalThis.kept = Buffer.alloc(150_000_000, 1)
    let breakdowns = 0
    let samples = 0
    monitor.on('sample', ({ residentBreakdown }) => { samples++; breakdowns += residentBreakdown === null ? 0 : 1 })
    const alive = setInterval(() => {}, 1_000)
    monitor.on('triggered', async ({ metric, metricBytes, sample: { residentBreakdown } }) => {
      monitor.stop()
      clearInterval(alive)
      await send({ metric, same: metricBytes === residentBreakdown.arrayBuffersResidentBytes, metricBytes, breakdowns, samples, divided: residentBreakdown.mallocUndividedBytes === null })
    })
  `)

  assert.strictEqual(code, 0, stderr)
  const [{ metricBytes, samples, ...rest }] = messages
  // malloc is not asked for what no threshold is about.
  assert.deepStrictEqual(rest, { metric: 'arrayBuffersResidentBytes', same: true, breakdowns: 2, divided: false })
  assert.ok(metricBytes >= 150_000_000 && metricBytes < 170_000_000, String(metricBytes))
  assert.ok(samples >= 2)
})

test('malloc is asked only when a threshold needs its figures', { skip: noBreakdown }, async (t) => {
  const monitor = start({ sampleIntervalMs: 10, thresholds: { mallocInUseBytes: { above: 1, forSamples: 1 } } })
  t.after(() => monitor.stop())
  const alive = setInterval(() => {}, 1_000)
  const [event] = await Promise.race([once(monitor, 'triggered'), once(monitor, 'error').then(([error]) => { throw error })])
  clearInterval(alive)

  assert.strictEqual(event.metricBytes, event.sample.residentBreakdown.mallocInUseBytes)
  assert.ok(event.metricBytes > 1_000_000)
})

test('a figure that the first breakdown lacks becomes one error event', { skip: noBreakdown }, async (t) => {
  // malloc is asked for the first, and then its memory is divided: the second never has a figure. start() refuses the two together, so one comes late.
  const { missingIn } = require('../../lib/monitor/thresholds.js')
  const thresholds = ['mallocInUseBytes', 'mallocUndividedBytes', 'mallocUndividedBytes', 'rss'].map((metric) => ({ metric }))
  const errors = missingIn(thresholds, await residentBreakdown())

  assert.deepStrictEqual(errors.map(({ code }) => code), ['ERR_OFFHEAP_METRIC_UNAVAILABLE'])
  assert.match(errors[0].message, /mallocUndividedBytes does nothing/)
})

test('a Monitor without such a threshold takes no breakdown', async (t) => {
  const monitor = start({ sampleIntervalMs: 1e6, thresholds: { rss: '100%' } })
  t.after(() => monitor.stop())
  for (let n = 0; n < 3; n++) {
    assert.strictEqual(monitor.sample().residentBreakdown, null)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
})

test('each threshold follows its own action, event or snapshot', async (t) => {
  const directory = emptyFolder(t)
  const seen = (options) => {
    const monitor = start({ sampleIntervalMs: 1e6, ...options })
    const events = {}
    monitor.on('triggered', ({ metric, snapshot }) => { events[metric] = snapshot })
    monitor.sample()
    monitor.stop()
    return events
  }
  const rss = { above: 1, forSamples: 1 }

  assert.deepStrictEqual(seen({ thresholds: { rss } }), { rss: 'off' })
  assert.deepStrictEqual(seen({ thresholds: { rss }, snapshot: false }), { rss: 'off' })
  assert.deepStrictEqual(seen({ thresholds: { rss: { ...rss, action: 'event' }, heapUsed: rss }, snapshot: { directory } }), { rss: 'off', heapUsed: 'started' })
  assert.deepStrictEqual(seen({ thresholds: { rss: { ...rss, action: 'event' } }, snapshot: { directory } }), { rss: 'off' })
})
