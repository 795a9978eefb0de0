'use strict'

// jest runs each file in a realm of its own: what native code makes belongs to another one, and fails these checks.

const assert = require('node:assert')
const offheap = require('offheap')

const results = {
  externalAllocations: () => offheap.externalAllocations(),
  'externalAllocations of the process': () => offheap.externalAllocations({ scope: 'process' }),
  bufferProfile: () => {
    const tracking = offheap.trackBuffers({ maxOverhead: 1 })
    kept.push(Buffer.alloc(90_000_001))
    tracking.stop()
    return offheap.bufferProfile()
  },
  memory: () => offheap.memory(),
  reading: () => offheap.reading(),
  support: () => offheap.support(),
  residentBreakdown: () => offheap.residentBreakdown(),
  trim: () => offheap.trim()
}

// Every object and array in it, rebuilt with this realm's own literals.
function copy (value) {
  if (Array.isArray(value)) return value.map(copy)
  if (value === null || typeof value !== 'object') return value
  return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, copy(each)]))
}

const kept = [
  offheap.track(Buffer.alloc(1_237), { label: 'realm' }),
  offheap.createRouteContext('GET /realm').run(() => offheap.allocExternal(1_237, { label: 'realm' }))
]

test('this file does run in a realm of its own', () => {
  expect(require('node:vm').runInThisContext('Object')).not.toBe(Object)
})

test.each(Object.keys(results))('the result of %s is made of this realm\'s objects', async (name) => {
  const result = await results[name]()

  expect(result).toBeInstanceOf(Object)
  assert.deepStrictEqual(result, copy(result))
  expect(Object.keys(result).length).toBeGreaterThan(1)
})

test.each(['residentBreakdown', 'trim'])('%s returns a promise of this realm', async (name) => {
  const promise = offheap[name]()

  expect(promise).toBeInstanceOf(Promise)
  await promise
})

test.each([
  ['track', () => offheap.track(5)],
  ['untrack', () => offheap.untrack(null)],
  ['allocExternal', () => offheap.allocExternal(null)],
  ['externalAllocations', () => offheap.externalAllocations(5)],
  ['createRouteContext', () => offheap.createRouteContext(5)],
  ['trackBuffers', () => offheap.trackBuffers(5)],
  ['unslab', () => offheap.unslab(5)],
  ['residentBreakdown', () => offheap.residentBreakdown(5)]
])('a wrong argument of %s is this realm\'s TypeError', (name, call) => {
  expect(call).toThrow(TypeError)
  expect(call).toThrow(Error)
  assert.throws(call, TypeError)
  assert.throws(call, { code: 'ERR_INVALID_ARG_TYPE' })
})

test('a number out of range is this realm\'s RangeError', () => {
  expect(() => offheap.allocExternal(-1)).toThrow(RangeError)
})

test('a failure of the native side is an OffheapError of this realm', () => {
  const call = () => offheap.allocExternal(2 ** 46)
  if (require('node:buffer').constants.MAX_LENGTH < 2 ** 46) {
    expect(call).toThrow(RangeError)
    return
  }
  expect(call).toThrow(offheap.OffheapError)
  expect(call).toThrow(expect.objectContaining({ code: 'ERR_OFFHEAP_OUT_OF_MEMORY' }))
})

test('Buffers of native memory are Buffers of the sandbox', () => {
  const [, buffer] = kept

  expect(Buffer.isBuffer(buffer)).toBe(true)
  expect(buffer).toBeInstanceOf(Uint8Array)
  buffer.write('written by the sandbox')
  expect(buffer.toString('latin1', 0, 7)).toBe('written')
})

test('values made in the sandbox are counted: views, ArrayBuffers, objects, functions', () => {
  const values = [Buffer.alloc(101), new Uint16Array(103), new DataView(new ArrayBuffer(107)), new ArrayBuffer(109), new SharedArrayBuffer(113)]
  for (const value of values) expect(offheap.track(value, { label: 'sandbox values' })).toBe(value)
  offheap.track({}, { label: 'sandbox values', byteLength: 127 })
  const fn = offheap.track(() => {}, { label: 'sandbox values', byteLength: 131 })

  const { totalBytes, totalCount } = offheap.externalAllocations().labels['sandbox values']

  expect({ totalBytes, totalCount }).toEqual({ totalBytes: 101 + 206 + 107 + 109 + 113 + 127 + 131, totalCount: 7 })
  expect(offheap.untrack(fn)).toBe(true)
  for (const value of values) expect(offheap.untrack(value)).toBe(true)
})
