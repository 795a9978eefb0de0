'use strict'

const test = require('node:test')
const assert = require('node:assert')
const vm = require('node:vm')
const { externalAllocations, track, untrack } = require('../..')
const { settledWhen } = require('../helpers/settle.js')

const context = vm.createContext({})

/** One of each kind of object that an engine keeps in another way. */
const KINDS = {
  'plain object': (i) => ({ i }),
  array: (i) => [i],
  'array with holes': (i) => Object.assign(new Array(i % 50), [i]),
  'arrow function': (i) => () => i,
  'function with properties': (i) => Object.assign(() => {}, { i }),
  class: (i) => class { static x = i },
  'frozen object': (i) => Object.freeze({ i }),
  'sealed array': (i) => Object.seal([i]),
  'object without prototype': () => Object.create(null),
  'object in dictionary mode': (i) => {
    const object = {}
    for (let key = 0; key < 40; key++) object[`key${key}of${i}`] = key
    delete object[`key1of${i}`]
    return object
  },
  'object with a private field': (i) => new (class { #i = i; get () { return this.#i } })(),
  'Proxy of an object': () => new Proxy({}, {}),
  'revoked Proxy': () => {
    const { proxy, revoke } = Proxy.revocable({}, {})
    revoke()
    return proxy
  },
  Map: (i) => new Map([[i, i]]),
  WeakMap: () => new WeakMap(),
  WeakRef: () => new WeakRef({}),
  Promise: (i) => Promise.resolve(i),
  Error: () => new Error('tracked'),
  Date: (i) => new Date(i),
  RegExp: () => /tracked/,
  generator: () => (function * () {})(),
  'boxed string': (i) => Object(String(i)),
  'object of another realm': () => vm.runInContext('({})', context),
  'slice of the pool': () => Buffer.allocUnsafe(50),
  Buffer: () => Buffer.alloc(500),
  'view inside the heap': () => new Uint8Array(8),
  'empty view': () => new Uint8Array(0),
  'detached view': () => {
    const buffer = new ArrayBuffer(128)
    const view = new Uint8Array(buffer)
    structuredClone(buffer, { transfer: [buffer] })
    return view
  },
  DataView: () => new DataView(new ArrayBuffer(100)),
  ArrayBuffer: () => new ArrayBuffer(64),
  'resizable ArrayBuffer': () => new ArrayBuffer(10, { maxByteLength: 100 }),
  SharedArrayBuffer: () => new SharedArrayBuffer(32)
}
const PER_KIND = 600

for (const [kind, make] of Object.entries(KINDS)) {
  test(`${kind}: tracked twice is counted once, and until it is collected or untracked`, async () => {
    const kept = trackSome(kind, make)
    const live = () => externalAllocations().labels[kind]

    await settledWhen('the others are collected', () => live().liveCount === kept.length)
    assert.deepStrictEqual([live().liveBytes, live().totalCount], [kept.length * 7, PER_KIND])
    for (const value of kept) assert.strictEqual(untrack(value), true)
    for (const value of kept) assert.strictEqual(untrack(value), false)
    assert.strictEqual(live().liveCount, 0)
    for (const value of kept) track(value, { label: kind, byteLength: 5 })
    assert.deepStrictEqual([live().liveBytes, live().liveCount], [kept.length * 5, kept.length])
  })
}

// A function of its own: an async one would keep values in its frame.
function trackSome (label, make) {
  const kept = []
  for (let i = 0; i < PER_KIND; i++) {
    const value = make(i)
    track(value, { label, byteLength: 3 })
    track(value, { label, byteLength: 7 })
    if (i % 3 === 0) kept.push(value)
  }
  return kept
}
