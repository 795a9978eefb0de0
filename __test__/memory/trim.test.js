'use strict'

const test = require('node:test')
const assert = require('node:assert')
const fs = require('node:fs')
const os = require('node:os')
const path = require('node:path')
const { memory, residentBreakdown, support, trim } = require('../../index.js')
const { runChildForJson } = require('../helpers/child.js')
const { settledWhen } = require('../helpers/settle.js')

const root = path.join(__dirname, '..', '..')
const MiB = 2 ** 20
const { available, reason } = support().trim
const skip = available ? false : reason

test('small blocks that were freed are held by malloc, until trim() gives them back', { skip }, async () => {
  // GIVEN 400,000 blocks of 203 bytes, of which every thousandth survives and pins the rest of the heap
  const before = await residentBreakdown()
  const buffersBefore = memory().arrayBuffers
  let all = Array.from({ length: 400_000 }, () => Buffer.allocUnsafeSlow(203).fill(1))
  const survivors = all.filter((_, index) => index % 1000 === 0)
  const filled = await residentBreakdown()
  assert.ok(filled.arrayBuffersBytes - before.arrayBuffersBytes > 80_000_000)

  // WHEN the others are collected
  all = null
  await settledWhen('the Buffers are freed', () => memory().arrayBuffers - buffersBefore < 400 * 203 + 2 * MiB)
  await settledWhen('malloc holds them', async () => (await residentBreakdown()).mallocFreeBytes > 60_000_000)
  const held = await residentBreakdown()

  // THEN they are no ArrayBuffers any more, and still resident
  assert.ok(held.arrayBuffersBytes - before.arrayBuffersBytes < 3 * MiB)
  const { releasedBytes, durationMs } = await trim()
  const after = await residentBreakdown()
  assert.ok(releasedBytes > 0.7 * held.mallocFreeBytes, `released ${releasedBytes} of ${held.mallocFreeBytes}`)
  assert.ok(durationMs > 0)
  assert.ok(after.mallocFreeBytes < 0.3 * held.mallocFreeBytes, `${after.mallocFreeBytes} of ${held.mallocFreeBytes} is left`)
  assert.ok(held.rss - after.rss > 0.7 * held.mallocFreeBytes)
  assert.strictEqual(survivors.every((buffer) => buffer.every((byte) => byte === 1)), true)
})

test('trim() with nothing to give back is harmless', { skip }, async () => {
  await trim()
  const { releasedBytes, durationMs } = await trim()

  assert.ok(releasedBytes >= 0 && releasedBytes < 64 * MiB)
  assert.ok(durationMs >= 0)
})

test('several trims at once all end', { skip }, async () => {
  const results = await Promise.all([trim(), trim(), trim()])

  assert.deepStrictEqual(results.map((result) => Object.keys(result)), Array(3).fill(['releasedBytes', 'durationMs']))
  assert.ok(results.every((result) => result.releasedBytes >= 0))
})

test('what a heap snapshot in this process leaves behind is free but held', { skip }, async (t) => {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'offheap-trim-'))
  t.after(() => fs.rmSync(directory, { recursive: true }))

  const { before, held, released, after } = await runChildForJson(`
    const v8 = require('node:v8')
    const { residentBreakdown, trim } = require(${JSON.stringify(root)})
    const objects = Array.from({ length: 100_000 }, (_, index) => ({ index, list: [index], name: 'n' + index }))
    ;(async () => {
      const before = await residentBreakdown()
      v8.writeHeapSnapshot(${JSON.stringify(path.join(directory, 'test.heapsnapshot'))})
      const held = await residentBreakdown()
      const released = await trim()
      const after = await residentBreakdown()
      console.log(JSON.stringify({ before, held, released, after, kept: objects.length }))
    })()
  `, { timeoutMs: 240_000 })

  const heldBytes = held.mallocFreeBytes - before.mallocFreeBytes
  assert.ok(heldBytes > 30 * MiB, `malloc holds ${heldBytes} after the snapshot`)
  assert.ok(released.releasedBytes > 0.7 * heldBytes, `released ${released.releasedBytes} of ${heldBytes}`)
  assert.ok(after.mallocFreeBytes < 0.3 * held.mallocFreeBytes)
})
