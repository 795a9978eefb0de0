'use strict'

const test = require('node:test')
const assert = require('node:assert')
const vm = require('node:vm')
const { expectNoBufferGrowth } = require('../../../lib/faces/testing')

const failure = (promise) => promise.then(() => assert.fail('nothing was found'), (error) => error)
const grown = ({ figures }) => figures.filter(({ grew }) => grew).map(({ metric }) => metric)

globalThis.headers = []

test('a small retained slice of each large Buffer is found, with its retaining path', async () => {
  const { headers } = globalThis
  const leaky = () => { headers.push(Buffer.alloc(100_003).subarray(7, 27)) }

  const error = await failure(expectNoBufferGrowth(leaky, { iterations: 10, warmup: 2 }))

  assert.strictEqual(error.code, 'ERR_OFFHEAP_BUFFER_GROWTH')
  assert.strictEqual(error.name, 'OffheapError')
  assert.deepStrictEqual(grown(error.growth), ['slices.pinnedBytes', 'backingStores.bytes'])
  const figure = error.growth.figures.find(({ metric }) => metric === 'slices.pinnedBytes')
  assert.deepStrictEqual(figure, { metric: 'slices.pinnedBytes', blockBytes: [1_000_030, 1_000_030], bytesPerIteration: 100_003, toleranceBytes: 2_048, grew: true })
  assert.match(error.message, /slices\.pinnedBytes: \+100003 bytes per iteration \(block 1: \+1000030 bytes, block 2: \+1000030 bytes, of 10 iterations each; tolerance 2048 bytes\)/)
  assert.match(error.message, /\nCounted: Buffers, ArrayBuffers and the memory that they pin; no other native memory \(docs\/testing\.md\)$/)
  assert.match(error.message, /20 of 100003 bytes: Buffer, held by global\.headers(\[\d+\]| \(Array\)\[\d+\])? ?\(Buffer\) → backing store/)
  headers.length = 0
})

test('slices that pin one slab each are found as slabs', async () => {
  const { headers } = globalThis
  const leaky = () => {
    headers.push(Buffer.from('h'.repeat(51)))
    const { buffer } = Buffer.allocUnsafe(1)
    while (Buffer.allocUnsafe(64).buffer === buffer);
  }
  const error = await failure(expectNoBufferGrowth(leaky, { iterations: 10, warmup: 2 }))
  assert.ok(grown(error.growth).includes('slabs.pinnedBytes'))
  assert.match(error.message, /51 of \d+ bytes of a slab, 1 slices: Buffer, held by global\.headers/)
  headers.length = 0
})

test('censuses that could not read all realms in their time are not compared', async () => {
  const realm = vm.createContext({})
  await assert.rejects(expectNoBufferGrowth(() => vm.isContext(realm), { mode: 'in-process', timeoutMs: 1, iterations: 1 }), (error) => {
    assert.strictEqual(error.code, 'ERR_OFFHEAP_CENSUS_INCOMPLETE')
    assert.match(error.message, /read only 1 of 2 realms/)
    return true
  })
})

test('copies and caches that are full pass', async () => {
  const cache = new Map()
  let calls = 0
  const clean = () => { cache.set(calls++ % 5, Buffer.from(Buffer.alloc(50_021).subarray(3, 9))) }
  const growth = await expectNoBufferGrowth(clean, { iterations: 20 })
  assert.deepStrictEqual(grown(growth), [])
  assert.strictEqual(typeof growth.census.pauseMs, 'number')
})

test('what the function throws is passed through, and wrong options are refused', async () => {
  const thrown = new Error('mine')
  await assert.rejects(expectNoBufferGrowth(() => { throw thrown }), (error) => error === thrown)
  for (const [options, code] of [[{ iterations: 0 }, 'ERR_OUT_OF_RANGE'], [{ warmup: -1 }, 'ERR_OUT_OF_RANGE'], [{ toleranceBytes: '5' }, 'ERR_INVALID_ARG_VALUE'], [{ toleranceBytes: null }, 'ERR_INVALID_ARG_TYPE'], [{ mode: 'x' }, 'ERR_INVALID_ARG_VALUE'], [{ timeoutMs: 0 }, 'ERR_OUT_OF_RANGE'], [{ tolerance: 1 }, 'ERR_INVALID_ARG_VALUE']]) {
    await assert.rejects(expectNoBufferGrowth(() => {}, options), { code })
  }
  await assert.rejects(expectNoBufferGrowth(5), { code: 'ERR_INVALID_ARG_TYPE' })
})
