'use strict'

const test = require('node:test')
const assert = require('node:assert')
const { isDeepStrictEqual } = require('node:util')
const vm = require('node:vm')
const { unslab } = require('../../..')

const BYTES = Uint8Array.from({ length: 240 }, (_, index) => index * 7)
const store = () => BYTES.slice().buffer

const KINDS = [
  Int8Array, Uint8Array, Uint8ClampedArray, Int16Array, Uint16Array, Int32Array, Uint32Array, Float32Array, Float64Array, BigInt64Array,
  BigUint64Array, ...(globalThis.Float16Array === undefined ? [] : [globalThis.Float16Array])
]

test('a slice of the pool becomes a Buffer of its own', () => {
  const slice = Buffer.from('the fifty bytes of which nobody ever needs more .…')
  const own = unslab(slice)

  assert.notStrictEqual(own, slice)
  assert.ok(own.equals(slice))
  assert.ok(Buffer.isBuffer(own))
  assert.deepStrictEqual([own.buffer.byteLength, own.byteOffset], [slice.length, 0])
  assert.strictEqual(unslab(own), own)
})

test('a large Buffer that keeps a larger one becomes one of its own', () => {
  const parent = Buffer.alloc(1_234_567, 'abc')
  const own = unslab(parent.subarray(1_000, 101_000))

  assert.strictEqual(own.buffer.byteLength, 100_000)
  assert.ok(own.equals(parent.subarray(1_000, 101_000)))
})

for (const Kind of KINDS) {
  test(`a ${Kind.name} stays one, bit by bit`, () => {
    const view = new Kind(store(), 16, 5)
    const own = unslab(view)

    assert.strictEqual(Object.getPrototypeOf(own), Kind.prototype)
    assert.strictEqual(own.buffer.byteLength, 5 * Kind.BYTES_PER_ELEMENT)
    assert.deepStrictEqual(new Uint8Array(own.buffer), new Uint8Array(view.buffer, 16, 5 * Kind.BYTES_PER_ELEMENT))
  })
}

test('a DataView stays one', () => {
  const own = unslab(new DataView(store(), 9, 31))

  assert.strictEqual(Object.getPrototypeOf(own), DataView.prototype)
  assert.deepStrictEqual(new Uint8Array(own.buffer), BYTES.slice(9, 40))
})

test('subclasses and other realms keep their prototype, and no constructor is run', () => {
  class Token extends Uint8Array {
    constructor () {
      super(8)
      assert.fail('not to be run')
    }
  }
  const token = Object.setPrototypeOf(new Uint8Array(store(), 3, 11), Token.prototype)
  const foreign = vm.runInNewContext('new Float32Array(new ArrayBuffer(400), 40, 10).fill(1.5)')

  assert.ok(unslab(token) instanceof Token)
  assert.deepStrictEqual([...unslab(token)], [...token])
  assert.strictEqual(Object.getPrototypeOf(unslab(foreign)), Object.getPrototypeOf(foreign))
  assert.deepStrictEqual([...unslab(foreign)], Array(10).fill(1.5))
})

test('a view that uses its whole ArrayBuffer is returned itself', () => {
  for (const view of [Buffer.alloc(100), new Uint8Array(7), new Float64Array(store()), new DataView(store()), Buffer.from(store()), Buffer.alloc(0)]) {
    assert.strictEqual(unslab(view), view)
  }
})

test('an empty view becomes one that retains no bytes', () => {
  const own = unslab(Buffer.from(store()).subarray(5, 5))

  assert.deepStrictEqual([own.length, own.buffer.byteLength], [0, 0])
})

test('a view with at most ifWasteOver bytes of waste is returned itself', () => {
  const view = new Uint8Array(store(), 0, 200)

  assert.strictEqual(unslab(view, { ifWasteOver: 40 }), view)
  assert.strictEqual(unslab(view, { ifWasteOver: 39 }).buffer.byteLength, 200)
  assert.strictEqual(unslab(view, {}).buffer.byteLength, 200)
})

test('a view of a SharedArrayBuffer is copied into one of its own', () => {
  const shared = new SharedArrayBuffer(240)
  new Uint8Array(shared).set(BYTES)
  for (const view of [new Uint8Array(shared, 8, 30), Buffer.from(shared, 8, 30), new DataView(shared, 8, 30), new Int16Array(shared, 8, 15)]) {
    const own = unslab(view)
    assert.ok(own.buffer instanceof SharedArrayBuffer)
    assert.strictEqual(own.buffer.byteLength, 30)
    assert.ok(isDeepStrictEqual(Object.getPrototypeOf(own), Object.getPrototypeOf(view)))
    assert.deepStrictEqual([...new Uint8Array(own.buffer)], [...BYTES.slice(8, 38)])
  }
})

test('resizable, detached and WebAssembly memory', () => {
  const resizable = new ArrayBuffer(100, { maxByteLength: 1_000 })
  assert.strictEqual(unslab(new Uint8Array(resizable)).buffer, resizable)
  assert.strictEqual(unslab(new Uint8Array(resizable, 10)).buffer.byteLength, 90)

  for (const make of [(buffer) => new Uint8Array(buffer, 8, 8), (buffer) => new DataView(buffer, 8, 8)]) {
    const buffer = store()
    const view = make(buffer)
    structuredClone(buffer, { transfer: [buffer] })
    assert.strictEqual(unslab(view), view)
  }

  const memory = new WebAssembly.Memory({ initial: 1 })
  assert.strictEqual(unslab(Buffer.from(memory.buffer, 100, 11)).buffer.byteLength, 11)
})

test('a value that is no view, and wrong options, are refused', () => {
  for (const value of [undefined, null, 5, 'text', {}, [], new ArrayBuffer(8), new SharedArrayBuffer(8), () => {}]) {
    assert.throws(() => unslab(value), { name: 'TypeError', code: 'ERR_INVALID_ARG_TYPE' })
  }
  for (const ifWasteOver of [NaN, -1, 1.5, Infinity, 2 ** 53]) {
    assert.throws(() => unslab(Buffer.alloc(1), { ifWasteOver }), { name: 'RangeError', code: 'ERR_OUT_OF_RANGE' })
  }
  assert.throws(() => unslab(Buffer.alloc(1), { ifWasteOver: '5' }), { code: 'ERR_INVALID_ARG_VALUE' })
  for (const ifWasteOver of [null, {}, 5n]) assert.throws(() => unslab(Buffer.alloc(1), { ifWasteOver }), { code: 'ERR_INVALID_ARG_TYPE' })
  assert.throws(() => unslab(Buffer.alloc(1), { ifWasteOvr: 1 }), { code: 'ERR_INVALID_ARG_VALUE', message: /did you mean "ifWasteOver"/ })
  assert.throws(() => unslab(Buffer.alloc(1), 5), { code: 'ERR_INVALID_ARG_TYPE' })
})
