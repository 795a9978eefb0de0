'use strict'

// What is put in the place of Buffer's functions behaves as they do: everything here is asked of both, in one process.

const test = require('node:test')
const assert = require('node:assert')
const fs = require('node:fs')
const path = require('node:path')
const { inspect } = require('node:util')
const { bufferProfile, trackBuffers } = require('../../..')
const { runChild, runChildForJson } = require('../../helpers/child.js')
const { emptyFolder } = require('../../helpers/folder.js')

const root = path.join(__dirname, '..', '..', '..')
const NAMES = ['from', 'alloc', 'allocUnsafe', 'allocUnsafeSlow', 'concat', 'copyBytesFrom']
const originals = Object.fromEntries(NAMES.map((name) => [name, Buffer[name]]))
const descriptors = Object.fromEntries(NAMES.map((name) => [name, Object.getOwnPropertyDescriptor(Buffer, name)]))

const shared = new SharedArrayBuffer(16)
const store = new ArrayBuffer(32)
class Primitive { [Symbol.toPrimitive] () { return 'this is a test' } }
class Sub extends Uint8Array {}

// Every form that Node documents, and every kind of wrong argument.
const CALLS = {
  from: [
    ['text'], ['tést', 'latin1'], ['7468697320697320612074c3a97374', 'hex'], ['dGVzdA==', 'base64'], ['dGVzdA', 'base64url'], ['text', 'utf16le'],
    ['xyz', 'hex'], ['', 'utf8'], ['x'.repeat(5_000)], ['x'.repeat(100_000)], ['text', 'nope'], ['text', null],
    [[]], [[0x62, 0x75, 0x66, 0x66, 0x65, 0x72]], [[257, 257.5, -255, '1']], [Array(9_000).fill(7)], [['a', 'b']],
    [store], [store, 8], [store, 8, 4], [store, 33], [store, 0, 33], [store, 'x'], [shared], [shared, 2, 3], [store, -1],
    [Buffer.of(1, 2, 3)], [Uint16Array.of(1, 256, 3)], [new Float64Array(5)], [new Uint8Array(70_000)], [new Sub(3)],
    [{ length: 3, 0: 1, 1: 2 }], [{ type: 'Buffer', data: [1, 2, 3] }], [{ length: '3' }], [{ buffer: store }],
    [Object('this is a test')], [new Primitive(), 'utf8'], [{ valueOf: () => 'text' }], [{ valueOf: () => store }, 4],
    [], [undefined], [null], [5], [5n], [true], [Symbol('s')], [{}], [() => {}], [new Date(0)], [NaN]
  ],
  alloc: [
    [0], [5], [5, 'a'], [11, 'aGVsbG8gd29ybGQ=', 'base64'], [5, 1], [5, 0], [5, Buffer.of(1, 2)], [5, ''], [5, Buffer.alloc(0)], [100_000], [2.5], [5, 'a', 'nope'], [5, 'z', 'hex'],
    [], ['5'], [-1], [NaN], [Infinity], [2 ** 53], [null], [5n], [{}], [5, {}], [5, 'a', 5]
  ],
  allocUnsafe: [[0], [1], [10], [4_000], [8_192], [40_000], [100_000], [2.5], [10, undefined], [], ['5'], [-1], [NaN], [Infinity], [2 ** 53], [null], [{}], [5n], [10, 64], [10, 3], [10, 'x']],
  allocUnsafeSlow: [[0], [1], [64], [65], [10_000], [2.5], [], ['5'], [-1], [NaN], [2 ** 53], [null], [{}], [10, 64], [10, 3]],
  concat: [
    [[]], [[Buffer.of(1), Buffer.of(2, 3)]], [[Buffer.of(1), Buffer.of(2, 3)], 2], [[Buffer.of(1)], 9], [[new Uint8Array(3)]], [[], 5], [[Buffer.alloc(100_000)]],
    [], [null], ['x'], [[1]], [['x']], [[Buffer.of(1)], -1], [[Buffer.of(1)], '2'], [[Buffer.of(1)], 1.5], [[Buffer.of(1)], NaN], [[null]], [[new Uint16Array(2)]]
  ],
  copyBytesFrom: [
    [Uint16Array.of(0, 0xffff)], [Uint16Array.of(0, 0xffff), 1, 1], [Uint16Array.of(1, 2, 3), 1], [Uint8Array.of()], [new Float64Array(2_000)], [Uint8Array.of(1, 2), 5], [Uint8Array.of(1, 2), 0, 9],
    [], [[1]], ['x'], [null], [new DataView(store)], [Uint8Array.of(1), -1], [Uint8Array.of(1), '0'], [Uint8Array.of(1), 0, -1], [Uint8Array.of(1), 0.5], [Uint8Array.of(1), 0, 1.5]
  ]
}
// Their bytes are what was in memory before.
const UNINITIALIZED = new Set(['allocUnsafe', 'allocUnsafeSlow'])

function outcome (name, call) {
  try {
    const buffer = call()
    const isOverGiven = buffer.buffer === store || buffer.buffer === shared
    return {
      prototype: Object.getPrototypeOf(buffer) === Buffer.prototype,
      length: buffer.length,
      bytes: UNINITIALIZED.has(name) ? null : buffer.toString('hex'),
      over: isOverGiven ? [buffer.buffer === shared, buffer.byteOffset] : null,
      // Of the pool or not. On which of its slabs, and where, is another matter.
      ownStore: buffer.buffer.byteLength === buffer.length
    }
  } catch (error) {
    return { Class: error.constructor, name: error.name, code: error.code, message: error.message, keys: Reflect.ownKeys(error) }
  }
}

function tracked (run) {
  const tracking = trackBuffers({ sampleIntervalBytes: 1, maxOverhead: 1 })
  try {
    return run()
  } finally {
    tracking.stop()
  }
}

for (const name of NAMES) {
  test(`Buffer.${name} gives and throws what the original does`, () => {
    for (const args of CALLS[name]) {
      const expected = outcome(name, () => originals[name].apply(Buffer, args))
      assert.deepStrictEqual(tracked(() => outcome(name, () => Buffer[name](...args))), expected, inspect(args))
      // Without Buffer as its `this`, as an inherited method, and through a subclass.
      assert.deepStrictEqual(tracked(() => outcome(name, () => Reflect.apply(Buffer[name], undefined, args))), expected, inspect(args))
      assert.deepStrictEqual(tracked(() => outcome(name, () => (class extends Buffer {})[name](...args))), expected, inspect(args))
    }
  })
}

test('broken replacements of builtins by the host do not harm an allocation', async () => {
  const made = await runChildForJson(`
    const { trackBuffers } = require(${JSON.stringify(root)})
    const { performance } = require('node:perf_hooks')
    trackBuffers({ sampleIntervalBytes: 1, maxOverhead: 1 })
    const broken = () => { throw new Error('replaced by the host') }
    const stringify = JSON.stringify
    const write = process.stdout.write.bind(process.stdout)
    for (const [object, name] of [[Math, 'min'], [Math, 'max'], [Math, 'random'], [Math, 'log2'], [Array, 'isArray'], [ArrayBuffer, 'isView'],
      [Reflect, 'apply'], [Map.prototype, 'get'], [Map.prototype, 'values'], [Map.prototype, 'set'], [performance, 'now'], [Error, 'captureStackTrace']]) {
      Object.defineProperty(object, name, { value: broken, writable: true, configurable: true })
    }
    let made = 0
    const shared = new ArrayBuffer(9)
    for (let i = 0; i < 300; i++) {
      for (const make of [() => Buffer.from('text'), () => Buffer.from([1, 2]), () => Buffer.from(shared), () => Buffer.from('x'.repeat(9_000)), () => Buffer.alloc(5),
        () => Buffer.allocUnsafe(5), () => Buffer.allocUnsafe(70_000), () => Buffer.allocUnsafeSlow(5), () => Buffer.from({ length: 2, 0: 1 })]) made += make() instanceof Uint8Array
    }
    write(stringify(made))
  `)

  assert.strictEqual(made, 300 * 9)
})

test('no function of an argument is called a second time', () => {
  const calls = (from) => {
    let count = 0
    const counting = (value) => ({ valueOf () { count++; return value }, [Symbol.toPrimitive] () { count++; return 'text' }, get byteLength () { count++; return 1 } })
    const seen = []
    const spy = new Proxy([1, 2, 3], { get (target, name, receiver) { seen.push(name); return Reflect.get(target, name, receiver) }, has (target, name) { seen.push(name); return name in target } })
    for (let i = 0; i < 5; i++) {
      for (const value of ['text', store, 'x'.repeat(200), [1, 2, 3]]) from(counting(value))
      from(spy)
    }
    return [count, seen]
  }
  assert.deepStrictEqual(tracked(() => calls((value) => Buffer.from(value))), calls((value) => originals.from.call(Buffer, value)))
})

test('a second argument of Buffer.allocUnsafe is only the original\'s to judge, and sampling goes on after it', (t) => {
  const odd = [Symbol('s'), 5n, 'utf8', NaN, -8, {}, { valueOf () { throw new Error('asked') } }, [], null, true, () => {}]
  for (const second of odd) {
    const expected = outcome('allocUnsafe', () => originals.allocUnsafe(10, second))
    assert.deepStrictEqual(tracked(() => outcome('allocUnsafe', () => Buffer.allocUnsafe(10, second))), expected, inspect(second))
  }
  const tracking = trackBuffers({ sampleIntervalBytes: 1, maxOverhead: 1 })
  t.after(() => tracking.stop())
  for (const second of odd) try { Buffer.allocUnsafe(10, second) } catch {}
  const before = bufferProfile().totalSampleCount
  for (let i = 0; i < 1_000; i++) Buffer.allocUnsafe(1_000)
  assert.ok(bufferProfile().totalSampleCount - before > 900)
})

test('of the compared calls, most allocate and some throw', () => {
  const outcomes = NAMES.flatMap((name) => CALLS[name].map((args) => outcome(name, () => originals[name](...args))))

  assert.ok(outcomes.filter(({ length }) => length > 0).length > 50)
  assert.ok(outcomes.filter(({ code }) => code !== undefined).length > 40)
})

test('names, lengths, properties and the function in their prototype are those of the originals', () => {
  tracked(() => {
    for (const name of NAMES) {
      const now = Object.getOwnPropertyDescriptor(Buffer, name)
      assert.deepStrictEqual({ ...now, value: 0 }, { ...descriptors[name], value: 0 })
      assert.deepStrictEqual(Reflect.ownKeys(now.value).sort(), Reflect.ownKeys(originals[name]).sort())
      for (const key of Reflect.ownKeys(originals[name])) {
        assert.deepStrictEqual(Object.getOwnPropertyDescriptor(now.value, key), Object.getOwnPropertyDescriptor(originals[name], key))
      }
      assert.strictEqual(Object.getPrototypeOf(now.value), Function.prototype)
    }
    assert.notStrictEqual(Buffer.from, originals.from)
    assert.deepStrictEqual(Object.keys(Buffer), [...new Set(Object.keys(Buffer))])
  })
})

test('after stop() Buffer is what it was', () => {
  const before = Object.getOwnPropertyDescriptors(Buffer)
  const order = Reflect.ownKeys(Buffer)
  tracked(() => {})

  assert.deepStrictEqual(Reflect.ownKeys(Buffer), order)
  for (const key of order) {
    assert.deepStrictEqual({ ...Object.getOwnPropertyDescriptor(Buffer, key), value: 0 }, { ...before[key], value: 0 })
    assert.strictEqual(Object.getOwnPropertyDescriptor(Buffer, key).value, before[key].value)
  }
})

test('Buffer as a function and as a constructor is sampled too', async () => {
  const { stdout } = await runChild(`
    const { bufferProfile, trackBuffers } = require(${JSON.stringify(root)})
    const { from, alloc } = Buffer
    const tracking = trackBuffers()
    const made = [new Buffer(90_000_001), Buffer('abc'), new Buffer([1, 2]), new Buffer('616263', 'hex')]
    let code
    try { new Buffer(5, 'utf8') } catch (error) { code = error.code }
    console.log(JSON.stringify([made.slice(1).map(String), code, bufferProfile().liveBytes, Buffer.from !== from]))
  `, { execArgv: ['--no-deprecation'] })

  assert.deepStrictEqual(JSON.parse(stdout), [['abc', '\x01\x02', 'abc'], 'ERR_INVALID_ARG_TYPE', 90_000_001, true])
})

test('an error\'s stack has one line more, which is named', () => {
  const stackOf = () => {
    try {
      Buffer.from(5)
    } catch (error) {
      return error.stack.split('\n').map((line) => line.replace(/:\d+:\d+\)?$/, ''))
    }
  }
  const expected = stackOf()
  const actual = tracked(stackOf)
  const ours = actual.filter((line) => line.includes('offheap:buffers'))

  assert.strictEqual(ours.length, 1)
  // Ten lines at most: where ours is in, the outermost is out. The last one of both is the call itself.
  const rest = actual.filter((line) => !line.includes('offheap:buffers')).slice(0, 3)
  assert.deepStrictEqual(rest, expected.slice(0, 3))
})

test('a function that covers a wrapper stays after stop(), and the wrapper below it sleeps', () => {
  const tracking = trackBuffers({ sampleIntervalBytes: 1 })
  const below = Buffer.alloc
  let called = 0
  const theirs = Buffer.alloc = function (...args) {
    called++
    return below.apply(this, args)
  }
  tracking.stop()
  const { totalSampleCount } = bufferProfile()

  assert.strictEqual(Buffer.alloc, theirs)
  assert.strictEqual(Buffer.alloc(7, 1).toString('hex'), '01'.repeat(7))
  assert.strictEqual(bufferProfile().totalSampleCount, totalSampleCount)
  // It is taken away after all, and tracking goes on below.
  Buffer.alloc = below
  const again = trackBuffers({ sampleIntervalBytes: 1 })
  assert.strictEqual(Buffer.alloc, below)
  assert.strictEqual(Buffer.alloc(70_001).length, 70_001)
  assert.strictEqual(bufferProfile().liveBytes, 70_001)
  again.stop()
  assert.strictEqual(Buffer.alloc, originals.alloc)
  assert.strictEqual(called, 1)
})

test('two installations of the package, stopped in either order, leave Buffer as it was', async (t) => {
  const folder = emptyFolder(t)
  for (const part of ['index.js', 'lib', 'package.json', 'prebuilds']) fs.cpSync(path.join(root, part), path.join(folder, part), { recursive: true })
  const results = await runChildForJson(`
    const copies = [require(${JSON.stringify(root)}), require(${JSON.stringify(folder)})]
    const names = ${JSON.stringify(NAMES)}
    const originals = names.map((name) => Buffer[name])
    const results = []
    for (const order of [[0, 1], [1, 0]]) {
      const trackings = copies.map((copy) => copy.trackBuffers())
      const kept = Buffer.alloc(80_000_009)
      results.push(copies.map((copy) => copy.bufferProfile().sites.some(({ liveBytes }) => liveBytes === kept.length)))
      for (const index of order) trackings[index].stop()
      results.push(names.every((name, index) => Buffer[name] === originals[index]))
    }
    console.log(JSON.stringify(results))
  `)

  assert.deepStrictEqual(results, [[true, true], true, [true, true], true])
})

test('calls through references that were taken from Buffer before are not sampled; calls that look the function up are', async () => {
  const liveBytes = await runChildForJson(`
    const { alloc } = Buffer
    const captured = Buffer
    const { bufferProfile, trackBuffers } = require(${JSON.stringify(root)})
    trackBuffers()
    const kept = [alloc(50_000_000), captured.alloc(60_000_000), require('buffer').Buffer.alloc(70_000_000)]
    console.log(JSON.stringify(bufferProfile().liveBytes))
  `)

  assert.strictEqual(liveBytes, 130_000_000)
})

test('a frozen Buffer and frozen intrinsics are not changed, and cause no error', async () => {
  const frozen = await runChildForJson(`
    const { bufferProfile, memory, trackBuffers } = require(${JSON.stringify(root)})
    Object.freeze(Buffer)
    const tracking = trackBuffers()
    Buffer.alloc(10_000_000)
    console.log(JSON.stringify([bufferProfile().functions, memory().bufferPool.coverage]))
    tracking.stop()
  `)
  const intrinsics = await runChildForJson(`
    const { bufferProfile, trackBuffers } = require(${JSON.stringify(root)})
    trackBuffers()
    const kept = Buffer.alloc(90_000_000)
    console.log(JSON.stringify([bufferProfile().liveBytes, bufferProfile().sites.length]))
  `, { execArgv: ['--frozen-intrinsics', '--no-warnings'] })

  assert.deepStrictEqual(frozen, [[], 'partial'])
  assert.deepStrictEqual(intrinsics, [90_000_000, 1])
})

test('Error.prepareStackTrace and Error.stackTraceLimit are what they were', () => {
  const before = Object.getOwnPropertyDescriptors(Error)
  tracked(() => Buffer.alloc(1_000_000))
  const mine = () => 'mine'
  Error.prepareStackTrace = mine
  try {
    tracked(() => Buffer.alloc(1_000_000))
    assert.strictEqual(Error.prepareStackTrace, mine)
  } finally {
    if (before.prepareStackTrace === undefined) delete Error.prepareStackTrace
    else Object.defineProperty(Error, 'prepareStackTrace', before.prepareStackTrace)
  }
  assert.deepStrictEqual(Object.getOwnPropertyDescriptors(Error), before)
})

test('the stack is in terms of the sources when Node uses source maps', async (t) => {
  const folder = emptyFolder(t)
  const map = { version: 3, sources: ['original.ts'], names: [], mappings: 'AAYA,SAASA' }
  const url = `data:application/json;base64,${Buffer.from(JSON.stringify(map)).toString('base64')}`
  fs.writeFileSync(path.join(folder, 'built.js'), `module.exports = () => Buffer.alloc(90_000_000)\n//# sourceMappingURL=${url}\n`)
  const script = `
    const { bufferProfile, trackBuffers } = require(${JSON.stringify(root)})
    trackBuffers()
    const kept = require(${JSON.stringify(path.join(folder, 'built.js'))})()
    const [{ file, line }] = bufferProfile().sites[0].stack
    console.log(JSON.stringify([require('node:path').basename(file), line]))
  `

  assert.deepStrictEqual(await runChildForJson(script), ['built.js', 1])
  // Node 20.12 to 20.20 apply them; process.sourceMapsEnabled says whether they are on.
  assert.deepStrictEqual(await runChildForJson(script, { execArgv: ['--enable-source-maps'] }), ['original.ts', 13])
})
