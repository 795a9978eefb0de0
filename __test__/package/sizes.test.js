'use strict'

// Whatever takes a size in bytes takes it as a number and as a string with its unit, and reports print what such a string means.

const test = require('node:test')
const assert = require('node:assert')
const { trackingSettings } = require('../../lib/buffers/track-buffers.js')
const { snapshotSettings } = require('../../lib/heap/snapshot-file/settings.js')
const { parseThresholds } = require('../../lib/monitor/thresholds.js')
const { readVariables } = require('../../lib/faces/register/variables.js')
const { allocExternal, externalAllocations, track, unslab } = require('../../index.js')
const { expectNoExternalGrowth } = require('../../lib/faces/testing/index.js')

const DEFAULTS = { sampleIntervalMs: 1_000, action: 'event' }

/** What a size that is given as text comes to, by what takes it. */
const TAKEN = {
  'thresholds.rss': (size) => parseThresholds('thresholds', { rss: size }, DEFAULTS)[0].rule.bytes,
  'thresholds.rss.above': (size) => parseThresholds('thresholds', { rss: { above: size, rearmBelow: '1kB' } }, DEFAULTS)[0].rule.bytes,
  'thresholds.rss.rearmBelow': (size) => parseThresholds('thresholds', { rss: { above: '1TB', rearmBelow: size } }, DEFAULTS)[0].rule.rearmBelow,
  'thresholds.rss.growth': (size) => parseThresholds('thresholds', { rss: { growth: size, overMs: 60_000 } }, DEFAULTS)[0].rule.growthBytes,
  'thresholds.addonExternalBytes': (size) => parseThresholds('thresholds', { addonExternalBytes: { addon: 'sharp', above: size } }, DEFAULTS)[0].rule.bytes,
  OFFHEAP_SNAPSHOT_AT: (size) => {
    const { thresholds: [{ metric, limit }] } = readVariables({ OFFHEAP_SNAPSHOT_AT: `rss:${size}` })
    return parseThresholds('OFFHEAP_SNAPSHOT_AT', { [metric]: limit }, DEFAULTS)[0].rule.bytes
  },
  OFFHEAP_TRACK_BUFFERS: (size) => readVariables({ OFFHEAP_TRACK_BUFFERS: size }).buffers,
  'snapshot.maxTotalBytes': (size) => snapshotSettings('options', { maxTotalBytes: size }).maxTotalBytes,
  'snapshot.minFreeDiskBytes': (size) => snapshotSettings('options', { minFreeDiskBytes: size }).minFreeDiskBytes,
  'trackBuffers.sampleIntervalBytes': (size) => trackingSettings('options', { sampleIntervalBytes: size }).sampleIntervalBytes,
  'track.byteLength': (size) => {
    const value = track({}, { label: size, byteLength: size })
    return [externalAllocations().labels[size].liveBytes, value][0]
  },
  allocExternal: (size) => allocExternal(size).length
}

for (const [name, read] of Object.entries(TAKEN)) {
  test(`${name} is 2,500,000 for "2.5MB" and 2,621,440 for "2.5MiB"`, () => {
    assert.deepStrictEqual([read('2.5MB'), read('2.5MiB')], [2_500_000, 2_621_440])
  })
}

test('unslab() takes ifWasteOver as a string', () => {
  const view = Buffer.alloc(1_100).subarray(0, 100)
  assert.deepStrictEqual([unslab(view, { ifWasteOver: '1kB' }) === view, unslab(view, { ifWasteOver: '0.999kB' }) === view], [true, false])
})

test('a leak test takes a tolerance as a string, for all figures and for one', async () => {
  const kept = []
  const leaky = () => { kept.push(track({}, { label: 'leaky', byteLength: 1_010 })) }
  const options = { iterations: 1, warmup: 1, metrics: ['trackedExternalBytes'] }
  for (const toleranceBytes of ['1.01kB', { trackedExternalBytes: '1.01kB' }]) await expectNoExternalGrowth(leaky, { ...options, toleranceBytes })
  await assert.rejects(expectNoExternalGrowth(leaky, { ...options, toleranceBytes: '1.009kB' }), { code: 'ERR_OFFHEAP_EXTERNAL_GROWTH' })
})

test('a share of time may be a percentage', () => {
  for (const [maxOverhead, expected] of [['1%', 0.01], ['0.5 %', 0.005], [0.02, 0.02], ['100%', 1]]) assert.strictEqual(trackingSettings('options', { maxOverhead }).maxOverhead, expected)
  for (const maxOverhead of ['0%', '101%', 0, 1.5, NaN]) assert.throws(() => trackingSettings('options', { maxOverhead }), { code: 'ERR_OUT_OF_RANGE' }, String(maxOverhead))
  for (const maxOverhead of ['1', null, {}]) assert.throws(() => trackingSettings('options', { maxOverhead }), { code: 'ERR_INVALID_ARG_TYPE' }, String(maxOverhead))
})

test('a string that is no size names the units', () => {
  for (const [name, read] of Object.entries(TAKEN)) {
    if (name.startsWith('OFFHEAP_')) continue
    assert.throws(() => read('512M'), { code: 'ERR_INVALID_ARG_VALUE', message: /kB, MB, GB, TB of 1000; KiB, MiB, GiB, TiB of 1024/ }, name)
  }
})
