'use strict'

const test = require('node:test')
const assert = require('node:assert')
const { runFixture } = require('./helpers/node.js')
const { support } = require('../..')

const { available, reason } = support().probe
const skip = available ? false : `no probe here: ${reason}`

async function run (scenario) {
  const { code, signal, stderr, said } = await runFixture('excluded-memory.js', [scenario])
  assert.deepStrictEqual([code, signal], [0, null], stderr)
  assert.strictEqual(said.error, undefined)
  return said
}

test('large Buffers are excluded from the fork, and the snapshot has them with their sizes', { skip }, async () => {
  const [inMemory, onDisk, garbage] = await run('snapshot')
  assert.deepStrictEqual(inMemory, { attempts: 1, excluded: true, count: 20, stores: 20 })
  assert.deepStrictEqual(onDisk, { attempts: 1, excluded: true, count: 20, stores: 20 })
  assert.deepStrictEqual(garbage, { attempts: 1, count: 5, stores: 5 })
})

test('a child that reads excluded memory is replaced by one that has it, and the next one has it at once', { skip }, async () => {
  const { read, retried, again, leftovers } = await run('touched')
  assert.deepStrictEqual(read, Array.from({ length: 20 }, (_, index) => index + 1))
  assert.strictEqual(retried, true)
  assert.deepStrictEqual(again, [1, 1])
  assert.deepStrictEqual(leftovers, [])
})

test('a segmentation fault elsewhere is still reported as one', { skip }, async () => {
  const { code, message } = await run('crash')
  assert.strictEqual(code, 'ERR_OFFHEAP_PROBE_CRASHED')
  assert.match(message, /SIGSEGV/)
})

test('excluded memory carries the same VmFlags as before', { skip }, async () => {
  const { excluded, changed, compared } = await run('marks')
  assert.deepStrictEqual([excluded, changed], [true, []])
  assert.ok(compared > 0.9, `${compared} of the mappings are still there`)
})
