'use strict'

// Also run with --detectLeaks: jest fails the file if its realm is still alive after it.

const offheap = require('offheap')
const { expectNoExternalGrowth, gcUntil } = require('offheap/testing')

test('using all of offheap leaves nothing of this file alive', async () => {
  const object = offheap.track({ here: globalThis }, { label: 'sandbox', byteLength: 3_001 })
  let buffer = offheap.allocExternal(3_011, { label: 'sandbox' })
  offheap.track(Buffer.alloc(10), { label: 'sandbox' })
  offheap.track(new Uint8Array(3), { label: 'sandbox' })
  offheap.createRouteContext(() => 'GET /sandbox').run(() => offheap.track(Buffer.alloc(3_019), { label: 'sandbox' }))
  expect(() => offheap.track(5)).toThrow(TypeError)
  const tracking = offheap.trackBuffers()
  offheap.createRouteContext(() => 'GET /sandbox').run(() => offheap.unslab(Buffer.alloc(90_000_001).subarray(5)))
  expect(offheap.bufferProfile().routes['GET /sandbox'].totalSampleCount).toBe(2)
  offheap.bufferProfile({ format: 'pprof' })
  tracking.stop()
  offheap.memory()
  offheap.support()
  offheap.reading()
  await offheap.residentBreakdown()
  await offheap.trim()
  await expectNoExternalGrowth(() => { offheap.track(Buffer.alloc(3_023), { label: 'sandbox' }) }, { iterations: 5 })
  buffer = undefined
  await gcUntil(() => offheap.externalAllocations().labels.sandbox.liveBytes === 3_001, { name: 'all but the object were collected' })

  expect(buffer).toBe(undefined)
  expect(offheap.externalAllocations().labels.sandbox.liveCount).toBe(1)
  expect(object.here).toBe(globalThis)
})
