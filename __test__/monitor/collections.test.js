'use strict'

const test = require('node:test')
const assert = require('node:assert')
const { start } = require('../..')

test('a limit on heapUsed is looked at after major collections, not only on the timer', async () => {
  // GIVEN a timer that does not come to its first tick
  const monitor = start({ sampleIntervalMs: 2 ** 31 - 1, thresholds: { heapUsed: { above: '1MB', forSamples: 1 } } })
  const triggered = new Promise((resolve) => monitor.once('triggered', resolve))
  const service = setInterval(() => global.gc(), 20)
  // WHEN the service collects THEN the threshold fires
  const { metric, metricBytes } = await triggered
  clearInterval(service)
  assert.strictEqual(metric, 'heapUsed')
  assert.ok(metricBytes >= 2 ** 20)
  monitor.stop()

  // AND a Monitor that was stopped hears of no more
  let isLate = false
  monitor.on('sample', () => { isLate = true })
  for (let round = 0; round < 10; round++) {
    global.gc()
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  assert.strictEqual(isLate, false)
})

test('without a limit on heapUsed collections are not listened to', async () => {
  const monitor = start({ sampleIntervalMs: 2 ** 31 - 1, thresholds: { rss: '1MB' } })
  let samples = 0
  monitor.on('sample', () => { samples++ })
  for (let round = 0; round < 10; round++) {
    global.gc()
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  monitor.stop()
  assert.strictEqual(samples, 0)
})
