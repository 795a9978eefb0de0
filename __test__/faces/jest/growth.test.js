'use strict'

const { allocExternal, track } = require('offheap')
const { expectNoExternalGrowth, gcUntil } = require('offheap/testing')

test('a planted leak is found under its label, with its bytes and values per iteration', async () => {
  // GIVEN a function that keeps one tracked Buffer per call
  const kept = []
  const leaky = () => { kept.push(track(Buffer.alloc(12_347), { label: 'jest leak' })) }

  // WHEN it is measured
  const error = await expectNoExternalGrowth(leaky, { iterations: 20, warmup: 3 }).catch((error) => error)

  // THEN the label and the figures are exact
  expect(error).toBeInstanceOf(Error)
  expect(error).toMatchObject({ name: 'OffheapError', code: 'ERR_OFFHEAP_EXTERNAL_GROWTH' })
  expect(error.message).toContain('label "jest leak": +12347 bytes, 1 value per iteration (block 1: +246940 bytes, block 2: +246940 bytes, of 20 iterations each; tolerance 0 bytes)')
  expect(error.growth.figures.find(({ label }) => label === 'jest leak')).toEqual({
    metric: 'trackedExternalBytes',
    label: 'jest leak',
    blockBytes: [246_940, 246_940],
    blockCounts: [20, 20],
    bytesPerIteration: 12_347,
    toleranceBytes: 0,
    grew: true
  })
  expect(kept.length).toBe(3 + 4 * 20)
})

test('the matcher fails on a planted leak, with the same message', async () => {
  const kept = []
  const leaky = () => { kept.push(allocExternal(10_007, { label: 'matcher leak' })) }
  const options = { iterations: 10, warmup: 1, label: 'matcher leak' }

  await expect(leaky).not.toHaveNoExternalGrowth(options)

  await expect(expect(leaky).toHaveNoExternalGrowth(options)).rejects.toThrow('label "matcher leak": +10007 bytes, 1 value per iteration')
})

test('clean code passes, tracked, external or neither', async () => {
  await expect(() => { track(Buffer.alloc(12_347), { label: 'jest clean' }) }).toHaveNoExternalGrowth({ label: 'jest clean' })
  await expect(() => { allocExternal(12_347, { label: 'jest clean' }) }).toHaveNoExternalGrowth()
  await expect(async () => { Buffer.from('from the pool') }).toHaveNoExternalGrowth()
})

test('.not fails on clean code', async () => {
  await expect(expect(() => {}).not.toHaveNoExternalGrowth({ iterations: 5 })).rejects.toThrow('no figure grew beyond its tolerance')
})

test('the error of the function is the failure, not a leak', async () => {
  const thrown = new RangeError('from the function under test')

  const caught = await expect(() => { throw thrown }).toHaveNoExternalGrowth().catch((error) => error)

  expect(caught).toBe(thrown)
})

test('a received value that is no function is a TypeError, with .not too', async () => {
  await expect(expect(5).toHaveNoExternalGrowth()).rejects.toMatchObject({ code: 'ERR_INVALID_ARG_TYPE' })
  await expect(expect(5).not.toHaveNoExternalGrowth()).rejects.toThrow(TypeError)
})

test('fake timers do not stop it', async () => {
  jest.useFakeTimers()
  try {
    const dropped = new WeakRef({})

    await gcUntil(() => dropped.deref() === undefined, { name: 'the object was collected' })
    await expectNoExternalGrowth(() => {}, { iterations: 2, warmup: 0 })

    expect(jest.getTimerCount()).toBe(0)
  } finally {
    jest.useRealTimers()
  }
})

test('a condition that never comes true rejects with its name', async () => {
  const error = await gcUntil(() => false, { name: 'never', maxRounds: 2 }).catch((error) => error)

  expect(error).toBeInstanceOf(Error)
  expect(error).toMatchObject({ code: 'ERR_OFFHEAP_GC_TIMEOUT', message: expect.stringContaining('"never" is not true after 2 full garbage collections') })
})

test('growth of what an addon holds has a matcher too', async () => {
  // The addon is offheap's own and never counted: nothing grows, whatever is tracked.
  await expect(() => { track(Buffer.alloc(12_347), { label: 'jest clean' }) }).toHaveNoAddonGrowth({ iterations: 5 })
  await expect(expect(() => {}).not.toHaveNoAddonGrowth({ iterations: 5 })).rejects.toThrow('no count grew beyond its tolerance')
  await expect(expect(5).toHaveNoAddonGrowth()).rejects.toMatchObject({ code: 'ERR_INVALID_ARG_TYPE' })
})
