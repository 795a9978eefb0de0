'use strict'

const { census } = require('offheap')

const held = []

function holdSlices () {
  held.push(Buffer.alloc(100_003).subarray(7, 27))
}

class Frame extends Uint8Array {}

/** In a function of its own: the frame of an async one keeps what it has made. */
function holdOwn () {
  held.push(new Frame(new ArrayBuffer(7_654_321), 5, 6), new Float64Array(new ArrayBuffer(6_543_216), 8, 1))
}

test('the matcher finds slices that pin large Buffers, in jest\'s realm', async () => {
  await expect(expect(holdSlices).toHaveNoBufferGrowth({ iterations: 10, warmup: 1 })).rejects.toThrow('slices.pinnedBytes: +100003 bytes per iteration')
  held.length = 0
  await expect(() => Buffer.alloc(100_003)).toHaveNoBufferGrowth({ iterations: 10, warmup: 1 })
}, 180_000)

test('a census sees the realm of a test file, and its result is of that realm', async () => {
  holdOwn()
  const taken = await census({ fallback: true })
  expect(taken).toBeInstanceOf(Object)
  expect(taken.slices.top.slice(0, 2).map(({ className, bytes }) => [className, bytes])).toStrictEqual([['Frame', 7_654_321], ['Float64Array', 6_543_216]])
  expect(taken.realms.unseenCount).toBe(0)
}, 60_000)
