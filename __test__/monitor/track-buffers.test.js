'use strict'

const test = require('node:test')
const assert = require('node:assert')
const { bufferProfile, memory, start } = require('../..')

test('a Monitor with trackBuffers samples Buffers until it is stopped', () => {
  const { from } = Buffer
  const monitor = start({ trackBuffers: { sampleIntervalBytes: 1_000_003 } })
  assert.strictEqual(bufferProfile().sampleIntervalBytes, 1_000_003)
  assert.strictEqual(memory().bufferPool.coverage, 'full')
  monitor.stop()
  monitor.stop()

  assert.strictEqual(Buffer.from, from)
  assert.strictEqual(bufferProfile().active, false)
})

test('without it, or when something else is wrong, Buffer is left alone', () => {
  const { from } = Buffer
  const monitor = start({ trackBuffers: false })
  assert.strictEqual(Buffer.from, from)
  monitor.stop()
  assert.throws(() => start({ trackBuffers: true, sampleIntervalMs: 1 }), { code: 'ERR_OUT_OF_RANGE' })
  for (const trackBuffers of [null, 1, 'true']) assert.throws(() => start({ trackBuffers }), { code: 'ERR_INVALID_ARG_TYPE' })
  assert.throws(() => start({ trackBuffers: { sampleIntervalBytes: 0 } }), { code: 'ERR_OUT_OF_RANGE', message: /options\.trackBuffers\.sampleIntervalBytes/ })

  assert.strictEqual(Buffer.from, from)
})
