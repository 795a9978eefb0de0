'use strict'

const test = require('node:test')
const assert = require('node:assert')
const fs = require('node:fs')
const os = require('node:os')
const path = require('node:path')
const { support, trim } = require('../../index.js')
const { runChildForJson } = require('../helpers/child.js')
const { preload } = require('../helpers/preload.js')

const root = path.join(__dirname, '..', '..')
const MiB = 2 ** 20
const { available, reason } = support().trim
const skip = available ? false : reason
const fullBreak = preload('full-break')

const small = path.join(__dirname, 'fixtures', 'small-blocks.js')

/** What a process that had 400,000 blocks of 203 bytes says of malloc's free memory before and after a trim. */
async function smallBlocks (env) {
  const { held, heldBytes, releasedBytes, durationMs, after, releasedRss, whole } = await runChildForJson(small, { execArgv: ['--expose-gc'], env })

  assert.ok(heldBytes < 3 * MiB, `${heldBytes} are still ArrayBuffers`)
  assert.ok(held > 60_000_000, `malloc holds ${held}`)
  assert.ok(releasedBytes > 0.7 * held, `released ${releasedBytes} of ${held}`)
  assert.ok(durationMs > 0)
  assert.ok(after < 0.3 * held, `${after} of ${held} is left`)
  assert.ok(releasedRss > 0.7 * held)
  assert.strictEqual(whole, true)
}

test('small blocks that were freed are held by malloc, until trim() gives them back', { skip }, async () => {
  await smallBlocks()
})

test('the same holds where the break cannot grow and malloc uses mappings', { skip: skip || fullBreak.skip }, async () => {
  await smallBlocks({ LD_PRELOAD: fullBreak.file })
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

for (const [where, { file, skip: without }] of [['', {}], [', also where the break cannot grow', fullBreak]]) {
  test(`what a heap snapshot in this process leaves behind is free but held${where}`, { skip: skip || without }, (t) => afterSnapshot(t, file && { LD_PRELOAD: file }))
}

async function afterSnapshot (t, env) {
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
  `, { env })

  const heldBytes = held.mallocFreeBytes - before.mallocFreeBytes
  assert.ok(heldBytes > 30 * MiB, `malloc holds ${heldBytes} after the snapshot`)
  assert.ok(released.releasedBytes > 0.7 * heldBytes, `released ${released.releasedBytes} of ${heldBytes}`)
  assert.ok(after.mallocFreeBytes < 0.3 * held.mallocFreeBytes)
}
