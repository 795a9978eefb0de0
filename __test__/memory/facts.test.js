'use strict'

// What docs/memory.md says that many articles say otherwise. Each holds on every Node line we run on, or says on which.

const test = require('node:test')
const assert = require('node:assert')
const buffer = require('node:buffer')
const path = require('node:path')
const v8 = require('node:v8')
const zlib = require('node:zlib')
const { memory } = require('../../index.js')
const { runChild, runChildForJson } = require('../helpers/child.js')
const { fixtureAddon } = require('../helpers/fixture-addon.js')
const { settledWhen } = require('../helpers/settle.js')
const { close, counted, counters } = require('./helpers/counted.js')

const [major, minor] = process.versions.node.split('.').map(Number)
const addon = fixtureAddon('external-memory')
const skip = addon.skip ?? false
const native = addon.file === undefined ? undefined : require(addon.file)

const isSlice = (bytes) => bytes.buffer.byteLength > bytes.byteLength

test('Buffer.alloc never takes from the pool; allocUnsafe, from and concat do below half of its size', () => {
  const half = Buffer.poolSize >>> 1

  assert.strictEqual(isSlice(Buffer.alloc(10)), false)
  assert.strictEqual(isSlice(Buffer.alloc(10, 1)), false)
  assert.strictEqual(isSlice(Buffer.allocUnsafe(half - 1)), true)
  assert.strictEqual(isSlice(Buffer.allocUnsafe(half)), false)
  assert.strictEqual(isSlice(Buffer.from('abc')), true)
  assert.strictEqual(isSlice(Buffer.concat([Buffer.from('abc'), Buffer.from('def')])), true)
  assert.strictEqual(isSlice(Buffer.allocUnsafeSlow(10)), false)
})

test('the slab behind the pool is 8, 64 or a little over 64 KiB: it is probed, not taken from Buffer.poolSize', () => {
  const slabBytes = Buffer.allocUnsafe(1).buffer.byteLength
  const large = major > 26 || (major === 26 && minor >= 3) || (major === 24 && minor >= 18)

  assert.ok(slabBytes >= Buffer.poolSize)
  if (!large && major < 25) assert.strictEqual(slabBytes, 8192)
  if (large && major === 24) assert.strictEqual(slabBytes, 65_536)
  if (large && major === 26) assert.strictEqual(slabBytes, 65_600)
})

test('one slice keeps its whole slab alive', async () => {
  const slabBytes = Buffer.allocUnsafe(1).buffer.byteLength
  const { arrayBuffers: before } = await counters()
  // Two slices to a slab, so that nothing else shares the slab of the one that is kept.
  const size = (Buffer.poolSize >>> 1) - 1
  let all = Array.from({ length: 64 }, () => Buffer.allocUnsafe(size))
  const survivors = all.filter((_, index) => index % 2 === 0).map((bytes) => bytes.subarray(0, 50))
  all = null

  await settledWhen('the others are collected', () => memory().arrayBuffers - before <= 34 * slabBytes)

  // 32 slices of 50 bytes hold at least 31 slabs.
  assert.ok(memory().arrayBuffers - before >= 31 * slabBytes, `${memory().arrayBuffers - before} of ${31 * slabBytes}`)
  assert.strictEqual(survivors.length, 32)
})

test('external includes the ArrayBuffers that objects hold', async () => {
  const grown = await counted(() => Buffer.alloc(5_678_901))

  close(grown, { external: 5_678_901, arrayBuffers: 5_678_901, declared: 5_678_901 })
})

test('external leaves out what an addon declares; the declared counter has it', { skip }, async () => {
  const grown = await counted(() => native.adjust(100_000_001))
  native.adjust(-100_000_001)

  close(grown, { external: 0, arrayBuffers: 0, declared: 100_000_001 })
})

test('an external counter below zero ends the process on Node 24 and later', { skip }, async () => {
  const script = `\nconst { adjust } = require(${JSON.stringify(addon.file)}); console.log(adjust(-1e12))`

  if (major >= 24) await assert.rejects(runChild(script), /ended by SIG(ILL|TRAP|ABRT)/)
  else assert.ok(await runChildForJson(script) < 0)
})

test("an addon's external Buffer is in external and not in arrayBuffers", { skip }, async () => {
  const { kept, ...grown } = await counted(() => native.externalBuffer(6_789_012))

  close(grown, { external: 6_789_012, arrayBuffers: 0, declared: 6_789_012 })
  assert.strictEqual(kept.length, 6_789_012)
})

test('memory behind napi_create_external is in no counter at all', { skip }, async () => {
  const { kept, ...grown } = await counted(() => native.external(7_890_123))

  close(grown, { external: 0, arrayBuffers: 0, declared: 0 })
  assert.strictEqual(typeof kept, 'object')
})

test('each live napi_ref is 32 bytes of globalHandlesBytes', { skip }, async () => {
  const { handles } = await counted(() => native.reference(10_000))
  const { handles: released } = await counted(() => native.release())

  // The number of Node's own handles changes by tens.
  assert.ok(Math.abs(handles / 10_000 - 32) < 0.5, `${handles} for 10,000 references`)
  assert.ok(Math.abs(released / 10_000 + 32) < 0.5, `${released} for 10,000 references`)
})

test('a SharedArrayBuffer is in arrayBuffers and neither in external nor declared', async () => {
  const { kept, ...grown } = await counted(() => new SharedArrayBuffer(8_901_234))

  close(grown, { external: 0, arrayBuffers: 8_901_234, declared: 0 })
  assert.strictEqual(kept.byteLength, 8_901_234)
})

test('a resizable ArrayBuffer is in external and not in arrayBuffers', async () => {
  const { kept, ...grown } = await counted(() => new ArrayBuffer(4_567_040, { maxByteLength: 80_000_000 }))

  close(grown, { external: 4_567_040, arrayBuffers: 0 })
  assert.strictEqual(kept.byteLength, 4_567_040)
})

test('WebAssembly memory is never in arrayBuffers, declared as it is made, and in external only until Node 24', async () => {
  const { kept, ...grown } = await counted(() => new WebAssembly.Memory({ initial: 100 }))

  close(grown, { external: major <= 24 ? 6_553_600 : 0, arrayBuffers: 0, declared: 6_553_600 })
  assert.strictEqual(kept.buffer.byteLength, 6_553_600)
})

test('what a Blob holds is in arrayBuffers, and neither in external nor declared', async () => {
  const { kept, ...grown } = await counted(() => new Blob([Buffer.alloc(5_432_109, 1)]))

  close(grown, { external: 0, arrayBuffers: 5_432_109, declared: 0 })
  assert.strictEqual(kept.size, 5_432_109)
})

test("Node's own sources are strings outside the heap, in external from the start and not declared", async () => {
  const { external, arrayBuffers, declared } = await runChildForJson(`
    const { external, arrayBuffers, declaredExternalBytes: declared } = require(${JSON.stringify(path.join(__dirname, '..', '..'))}).memory()
    console.log(JSON.stringify({ external, arrayBuffers, declared }))
  `)

  assert.ok(Math.abs(declared - arrayBuffers) < 4_096, `declared ${declared}, ArrayBuffers ${arrayBuffers}`)
  assert.ok(external - arrayBuffers > 1_000_000 && external - arrayBuffers < 4_000_000, `${external - arrayBuffers} bytes of strings`)
})

test('a large string that a Buffer became is outside the heap: in external and declared, not in arrayBuffers', async () => {
  const { kept, ...grown } = await counted(() => Buffer.alloc(3_210_987, 65).toString('latin1'))

  close(grown, { external: 3_210_987, arrayBuffers: 0, declared: 3_210_987 })
  assert.strictEqual(kept.length, 3_210_987)
})

test('zlib output is a slice of the pool where the pool is larger than two of its chunks', () => {
  const output = zlib.gzipSync('abc')

  assert.strictEqual(output.buffer.byteLength, Buffer.poolSize > 2 * zlib.constants.Z_DEFAULT_CHUNK
    ? Buffer.allocUnsafe(1).buffer.byteLength
    : zlib.constants.Z_DEFAULT_CHUNK)
  if (major === 20 || major === 22) assert.strictEqual(output.buffer.byteLength, 16_384)
})

test('a heap snapshot contains backing stores with their size, and strings outside the heap with theirs from Node 24', async () => {
  const bytes = Buffer.alloc(3_456_789)
  const string = Buffer.alloc(2_345_678, 65).toString('latin1')
  const chunks = []
  for await (const chunk of v8.getHeapSnapshot()) chunks.push(chunk)
  const { snapshot, nodes, strings } = JSON.parse(Buffer.concat(chunks).toString('utf8'))

  const fields = snapshot.meta.node_fields
  const [name, size] = [fields.indexOf('name'), fields.indexOf('self_size')]
  const sizes = []
  let longest = 0
  for (let at = 0; at < nodes.length; at += fields.length) {
    if (strings[nodes[at + name]] === 'system / JSArrayBufferData') sizes.push(nodes[at + size])
    if (strings[nodes[at + name]].startsWith('AAAAAAAA')) longest = Math.max(longest, nodes[at + size])
  }
  assert.ok(sizes.includes(3_456_789))
  // The string's own bytes are outside the heap, and Node 20 and 22 show its header alone.
  assert.ok(major >= 24 ? longest >= 2_345_678 && longest < 2_346_000 : longest > 0 && longest < 1_000, `the string has ${longest} bytes`)
  assert.deepStrictEqual([bytes.length, string.length], [3_456_789, 2_345_678])
})

test('the largest Buffer is 4 GiB on Node 20 and 2^53 - 1 bytes from Node 22', () => {
  assert.strictEqual(buffer.constants.MAX_LENGTH, major === 20 ? 2 ** 32 : 2 ** 53 - 1)
})

test('process.constrainedMemory() answers an absurd number, not "no limit"', {
  skip: process.platform === 'linux' && memory().cgroupLimitBytes === null ? false : 'needs Linux without a memory limit'
}, () => {
  const constrained = process.constrainedMemory()

  // 0 where libuv found no cgroup at all.
  assert.ok(constrained === 0 || constrained > memory().machineTotalBytes, `constrainedMemory() is ${constrained}`)
  assert.strictEqual(memory().cgroupLimitBytes, null)
})
