'use strict'

// What docs/buffers.md says of Node's Buffer pool, on the line that runs this.

const test = require('node:test')
const assert = require('node:assert')
const { currentSlab, isUntransferable } = require('../../../lib/buffers/census/slabs.js')

const [major] = process.versions.node.split('.').map(Number)
/** poolSize, length of a slab. */
const known = { 20: [8_192, 8_192], 22: [8_192, 8_192], 24: [65_536, 65_536], 26: [65_536, 65_600] }[major]

/** Whether a Buffer is a slice of a slab. */
const isPooled = (buffer) => buffer.length < buffer.buffer.byteLength && isUntransferable(buffer.buffer)

test('the length of a slab is the one in the table', { skip: known === undefined && `no line of the table: ${process.version}` }, () => {
  assert.deepStrictEqual([Buffer.poolSize, currentSlab().byteLength], known)
})

test('allocUnsafe, from and concat below half of poolSize take slices of a slab; alloc and allocUnsafeSlow never do', () => {
  const half = Buffer.poolSize >>> 1
  assert.strictEqual(isPooled(Buffer.allocUnsafe(half - 1)), true)
  assert.strictEqual(isPooled(Buffer.allocUnsafe(half)), false)
  assert.strictEqual(isPooled(Buffer.from('a string')), true)
  assert.strictEqual(isPooled(Buffer.from([1, 2, 3])), true)
  assert.strictEqual(isPooled(Buffer.from(Buffer.alloc(9))), true)
  assert.strictEqual(isPooled(Buffer.concat([Buffer.alloc(5), Buffer.alloc(6)])), true)
  assert.strictEqual(isPooled(Buffer.alloc(10)), false)
  assert.strictEqual(isPooled(Buffer.allocUnsafeSlow(10)), false)
  assert.strictEqual(isPooled(Buffer.from('').subarray(0)), false)
})

test('a slab cannot be transferred, and anything else can', () => {
  assert.strictEqual(isUntransferable(currentSlab()), true)
  const plain = new ArrayBuffer(10)
  assert.strictEqual(isUntransferable(plain), false)
  assert.strictEqual(plain.byteLength, 10)
})

test('Buffer.poolSize can be changed at run time; the next slab has another length', () => {
  const before = Buffer.poolSize
  const extra = currentSlab().byteLength - before
  try {
    Buffer.poolSize = 24_000
    const old = currentSlab()
    while (currentSlab() === old) Buffer.allocUnsafe(1_000)
    assert.strictEqual(currentSlab().byteLength, 24_000 + extra)
  } finally {
    Buffer.poolSize = before
  }
})

test('subarray shares the bytes of its parent, and a copy has its own', () => {
  const parent = Buffer.alloc(100_003)
  assert.strictEqual(parent.subarray(1, 3).buffer, parent.buffer)
  assert.notStrictEqual(Buffer.from(parent.subarray(1, 3)).buffer, parent.buffer)
})
