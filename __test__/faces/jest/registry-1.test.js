'use strict'

// One process, many module registries: JavaScript's singletons are per registry, the tallies are not.

const { isMainThread } = require('node:worker_threads')

function loadTwice () {
  let first
  let second
  jest.isolateModules(() => { first = require('offheap') })
  jest.isolateModules(() => { second = require('offheap') })
  return [first, second]
}

test('jest runs this file where the run says: in a worker process or in a worker thread', () => {
  expect(process.env.JEST_WORKER_ID).toBe('1')
  expect({ isMainThread, forked: typeof process.send === 'function' && isMainThread }).toEqual(process.env.OFFHEAP_JEST_WORKERS === 'threads'
    ? { isMainThread: false, forked: false }
    : { isMainThread: true, forked: true })
})

test('isolateModules gives two copies of the package', () => {
  const [first, second] = loadTwice()

  expect(first.track).not.toBe(second.track)
  expect(first.OffheapError).not.toBe(second.OffheapError)
})

test.each([
  ['a Buffer', () => Buffer.alloc(2_003)],
  ['a slice of the pool', () => Buffer.from('a few bytes in a slab that is shared')],
  ['an empty Buffer', () => Buffer.alloc(0)],
  ['a Buffer inside V8\'s heap', () => new Uint8Array(11)],
  ['an ArrayBuffer', () => new ArrayBuffer(2_011)],
  ['a plain object', () => ({})],
  ['a function', () => () => {}]
])('%s that is tracked through two registries counts once', (name, make) => {
  const [first, second] = loadTwice()
  const label = `twice: ${name}`
  const value = make()

  first.track(value, { label: 'before', byteLength: 997 })
  second.track(value, { label, byteLength: 1_009 })

  expect(first.externalAllocations().labels[label]).toMatchObject({ liveCount: 1, liveBytes: 1_009 })
  expect(first.externalAllocations().labels).toEqual(second.externalAllocations().labels)
  expect(first.externalAllocations().labels.before.liveCount).toBe(0)
  expect(first.untrack(value)).toBe(true)
  expect(second.untrack(value)).toBe(false)
  expect(second.externalAllocations().labels[label]).toMatchObject({ liveCount: 0, liveBytes: 0 })
})

test('after resetModules the tallies are still there', () => {
  const before = require('offheap')
  const value = before.track(Buffer.alloc(2_017), { label: 'reset' })

  jest.resetModules()
  const after = require('offheap')

  expect(after).not.toBe(before)
  expect(after.externalAllocations().labels.reset).toMatchObject({ liveCount: 1, liveBytes: 2_017 })
  expect(after.untrack(value)).toBe(true)
})

test('the helpers of one registry see the leak of another', async () => {
  const [first] = loadTwice()
  const { expectNoExternalGrowth } = require('offheap/testing')
  const kept = []

  const failure = await expectNoExternalGrowth(() => { kept.push(first.track(Buffer.alloc(2_027), { label: 'other registry' })) },
    { iterations: 5, label: 'other registry' }).catch((error) => error)

  expect(failure).toMatchObject({ code: 'ERR_OFFHEAP_EXTERNAL_GROWTH', growth: { figures: [{ label: 'other registry', bytesPerIteration: 2_027 }] } })
})

test('one value stays tracked for the next file', () => {
  // Kept by the process, beyond the end of this file and of its registry.
  const keeper = require('node:events')
  keeper.offheapTestKept = require('offheap').track(Buffer.alloc(2_029), { label: 'left for the next file' })

  expect(require('offheap').externalAllocations().labels['left for the next file']).toMatchObject({ liveCount: 1, totalCount: 1 })
})
