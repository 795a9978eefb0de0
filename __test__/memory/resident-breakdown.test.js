'use strict'

const test = require('node:test')
const assert = require('node:assert')
const fs = require('node:fs')
const path = require('node:path')
const { Worker } = require('node:worker_threads')
const { memory, residentBreakdown, support } = require('../../index.js')
const { fixtureAddon } = require('../helpers/fixture-addon.js')
const { runChildForJson } = require('../helpers/child.js')
const { settledReading, settledWhen } = require('../helpers/settle.js')

const root = path.join(__dirname, '..', '..')
const MiB = 2 ** 20
const available = support().residentBreakdown
const skip = available.available ? false : available.reason
const withMalloc = skip || (support().trim.available ? false : "malloc's figures are glibc's")
const addon = fixtureAddon('external-memory')

const ROWS = [
  'v8HeapBytes', 'wasmBytes', 'arrayBuffersResidentBytes', 'mallocInUseBytes', 'mallocFreeBytes', 'mallocUndividedBytes',
  'threadStacksBytes', 'fileMappingsBytes', 'sharedMemoryBytes', 'otherAnonymousBytes', 'unexplainedBytes'
]

const BESIDE = ['otherDeclaredBytes', 'mallocFreeAtMostBytes', 'notResidentBytes', 'swappedBytes']

/** The table, after checking what must hold for every table. */
async function table (options) {
  const result = await residentBreakdown(options)
  const sum = ROWS.reduce((total, row) => total + (result[row] ?? 0), 0)
  assert.strictEqual(sum, result.rss, 'the rows add up')
  for (const row of [...ROWS, ...BESIDE]) assert.ok(result[row] === null || (Number.isSafeInteger(result[row]) && result[row] >= 0), `${row} is ${result[row]}`)
  return result
}

/** The table once nothing is being freed any more: V8 frees what earlier tests left behind on a thread of its own. */
function quiet () {
  const rows = ['arrayBuffersResidentBytes', 'mallocInUseBytes', 'mallocFreeBytes', 'notResidentBytes', 'unexplainedBytes']
  return settledReading(() => table(), (a, b) => rows.every((row) => Math.abs(a[row] - b[row]) < 64 * 1024))
}

/** How each row changes while `make` makes something and keeps it. */
async function growth (make) {
  const before = await quiet()
  const kept = await make()
  const after = await table()
  return { grown: Object.fromEntries([...ROWS, ...BESIDE, 'rss'].map((row) => [row, after[row] - before[row]])), kept, after }
}

function near (actual, expected, tolerance, what) {
  assert.ok(Math.abs(actual - expected) <= tolerance, `${what}: expected ${expected} ± ${tolerance}, got ${actual}`)
}

test('the rows add up to the resident set that the kernel sees', { skip }, async () => {
  const { rss, fileMappingsBytes, largest, unexplainedBytes, ...rest } = await table()

  near(rss, memory().rss, 8 * MiB, 'rss')
  near(fileMappingsBytes, memory().rssFileBytes, 8 * MiB, 'mapped files')
  assert.ok(rest.v8HeapBytes > 2 * MiB && rest.threadStacksBytes > 0)
  assert.deepStrictEqual(Object.keys(rest).filter((name) => !ROWS.includes(name)), BESIDE)
  assert.ok(largest.length <= 5)
  assert.ok(largest.every(({ bytes, name }) => bytes > 0 && /^0x[0-9a-f]+-0x[0-9a-f]+$/.test(name)))
  assert.ok(largest.reduce((total, region) => total + region.bytes, 0) <= unexplainedBytes)
})

test('Buffers of 123,456,789 bytes are ArrayBuffers', { skip: withMalloc }, async () => {
  const { grown, kept } = await growth(() => Buffer.alloc(123_456_789, 1))

  near(grown.arrayBuffersResidentBytes, 123_456_789, 100_000, 'ArrayBuffers')
  near(grown.rss, 123_456_789, 8 * MiB, 'rss')
  near(grown.mallocInUseBytes, 0, 2 * MiB, 'other malloc')
  assert.strictEqual(kept.length, 123_456_789)
})

test('a SharedArrayBuffer is an ArrayBuffer too', { skip: withMalloc }, async () => {
  const { grown, kept } = await growth(() => {
    const shared = new SharedArrayBuffer(34_567_891)
    new Uint8Array(shared).fill(1)
    return shared
  })

  near(grown.arrayBuffersResidentBytes, 34_567_891, 100_000, 'ArrayBuffers')
  assert.strictEqual(kept.byteLength, 34_567_891)
})

test('memory that was asked for and never touched is not resident', { skip: withMalloc }, async () => {
  const { grown, kept } = await growth(() => Buffer.alloc(234_567_890))

  assert.ok(grown.arrayBuffersResidentBytes < MiB, `ArrayBuffers grew by ${grown.arrayBuffersResidentBytes}`)
  assert.ok(grown.rss < 8 * MiB, `rss grew by ${grown.rss}`)
  near(grown.notResidentBytes, 234_567_890, MiB, 'not resident')
  assert.ok(memory().arrayBuffers >= 234_567_890)
  assert.strictEqual(kept.length, 234_567_890)
})

test('WebAssembly memory has a row of its own', { skip }, async () => {
  const { grown, kept } = await growth(() => {
    const wasm = new WebAssembly.Memory({ initial: 320 })
    new Uint8Array(wasm.buffer).fill(1)
    return wasm
  })

  assert.strictEqual(grown.wasmBytes, 20 * MiB)
  near(grown.mallocInUseBytes, 0, MiB, 'malloc in use')
  assert.strictEqual(kept.buffer.byteLength, 20 * MiB)
})

test('JavaScript objects are the V8 heap', { skip }, async () => {
  const { grown, kept } = await growth(() => Array.from({ length: 400_000 }, (_, index) => ({ index, list: [index] })))

  // A collection may give other pages back meanwhile, so there is a floor and no exact number.
  assert.ok(grown.v8HeapBytes > 20 * MiB, `the V8 heap grew by ${grown.v8HeapBytes}`)
  near(grown.arrayBuffersResidentBytes, 0, 100_000, 'ArrayBuffers')
  assert.strictEqual(kept.length, 400_000)
})

test("a worker's heap is V8's; its Buffers are malloc's, and ArrayBuffers when it asks itself", { skip: withMalloc }, async () => {
  let worker
  const { grown, kept: inWorker } = await growth(async () => {
    worker = new Worker(`
      const { parentPort } = require('node:worker_threads')
      const { residentBreakdown } = require(${JSON.stringify(root)})
      const objects = Array.from({ length: 1_000_000 }, (_, index) => ({ index, list: [index] }))
      const buffer = Buffer.alloc(56_789_012, 1)
      residentBreakdown().then((table) => parentPort.postMessage(table))
      parentPort.once('message', () => [objects, buffer])
    `, { eval: true })
    return new Promise((resolve, reject) => worker.once('message', resolve).once('error', reject))
  })
  worker.postMessage('done')
  await new Promise((resolve) => worker.once('exit', resolve))

  // The objects are 56 MB and more; the main thread's own heap may shrink meanwhile by what the tests before have left.
  assert.ok(grown.v8HeapBytes > 20 * MiB, `the V8 heap grew by ${grown.v8HeapBytes}`)
  near(grown.arrayBuffersResidentBytes, 0, 100_000, 'ArrayBuffers of the main thread')
  assert.ok(grown.mallocInUseBytes > 56_000_000, `malloc in use grew by ${grown.mallocInUseBytes}`)
  near(inWorker.arrayBuffersResidentBytes, 56_789_012, MiB, 'ArrayBuffers of the worker')
})

test("an addon's external Buffer is in use by malloc, and said beside the rows as declared", { skip: withMalloc || addon.skip }, async () => {
  const { externalBuffer } = require(addon.file)
  // SharedArrayBuffers of the tests before are in arrayBuffers, not in external, and would hide what is looked for.
  await settledWhen('the SharedArrayBuffers are gone', () => memory().otherDeclaredBytes !== null)

  const { grown, kept } = await growth(() => externalBuffer(45_678_902))

  near(grown.otherDeclaredBytes, 45_678_902, 2 * MiB, 'other external')
  near(grown.mallocInUseBytes, 45_678_902, 2 * MiB, 'malloc in use')
  near(grown.arrayBuffersResidentBytes, 0, 100_000, 'ArrayBuffers')
  assert.strictEqual(kept.length, 45_678_902)
})

test("an external Buffer from an allocator of the addon's own takes nothing off malloc", { skip: withMalloc || addon.skip }, async () => {
  const { mappedBuffer } = require(addon.file)

  const { grown, kept } = await growth(() => mappedBuffer(56_789_013))

  near(grown.mallocInUseBytes, 0, MiB, 'malloc in use')
  near(grown.unexplainedBytes, 56_789_013, MiB, 'unexplained')
  near(grown.otherDeclaredBytes, 56_789_013, 100_000, 'other external')
  assert.strictEqual(kept.length, 56_789_013)
})

test('what zlib declares and does not touch makes no row 0, and malloc says the range of what is free', { skip: withMalloc }, async () => {
  const { before, after, releasedBytes } = await runChildForJson(`
    const zlib = require('node:zlib')
    const { residentBreakdown, trim } = require(${JSON.stringify(root)})
    ;(async () => {
      const before = await residentBreakdown()
      const streams = Array.from({ length: 200 }, () => zlib.createDeflate())
      await Promise.all(streams.map((stream) => new Promise((resolve) => stream.write('a', resolve))))
      const after = await residentBreakdown()
      const { releasedBytes } = await trim()
      console.log(JSON.stringify({ before, after, releasedBytes, streams: streams.length }))
      process.exit()
    })()
  `)

  const declared = after.otherDeclaredBytes - before.otherDeclaredBytes
  const resident = after.mallocInUseBytes - before.mallocInUseBytes
  assert.ok(declared > 35_000_000, `declared ${declared}`)
  assert.ok(resident > 15_000_000, `of ${declared} declared bytes ${resident} are resident`)
  // No more than the process has got: what became resident, and what malloc had free before.
  const got = after.rss - before.rss + before.mallocFreeAtMostBytes
  assert.ok(resident <= got + MiB, `${resident} bytes in use of ${got}`)
  assert.ok(after.mallocFreeAtMostBytes >= after.mallocFreeBytes)
  // What trim() gives back beyond that are pages at the end of blocks and of other mappings.
  assert.ok(releasedBytes <= after.mallocFreeAtMostBytes + MiB, `${releasedBytes} went back of at most ${after.mallocFreeAtMostBytes}`)
})

test('memory that an addon does not declare is in use by malloc', { skip: withMalloc || addon.skip }, async () => {
  const { external } = require(addon.file)

  const { grown, kept } = await growth(() => external(67_890_123))

  near(grown.mallocInUseBytes, 67_890_123, MiB, 'malloc in use')
  near(grown.unexplainedBytes, 0, MiB, 'unexplained')
  assert.strictEqual(typeof kept, 'object')
})

test('memory of an allocator of its own is unexplained, and listed', { skip: withMalloc || addon.skip }, async () => {
  const { mapped } = require(addon.file)

  const { grown, after } = await growth(() => mapped(78_901_234))

  near(grown.unexplainedBytes, 78_901_234, MiB, 'unexplained')
  near(grown.mallocInUseBytes, 0, MiB, 'malloc in use')
  near(after.largest[0].bytes, 78_901_234, MiB, 'the largest region')
  const [start, end] = after.largest[0].name.split('-').map(Number)
  assert.ok(end - start >= 78_901_234)
})

test('mapped files and shared memory have their rows', { skip: skip || (fs.existsSync('/dev/shm') ? false : 'needs /dev/shm') }, async () => {
  const { sharedMemoryBytes } = await table()

  near(sharedMemoryBytes, memory().rssShmemBytes, MiB, 'shared memory')
})

test('without asking malloc its share is one row, and the others are the same', { skip: withMalloc }, async () => {
  const buffer = Buffer.alloc(23_456_780, 1)
  const untouched = Buffer.alloc(123_456_780)
  const asked = await quiet()
  const notAsked = await table({ malloc: false })

  assert.strictEqual(asked.mallocUndividedBytes, null)
  assert.deepStrictEqual([notAsked.mallocInUseBytes, notAsked.mallocFreeBytes, notAsked.notResidentBytes], [null, null, null])
  near(notAsked.mallocUndividedBytes, asked.mallocInUseBytes + asked.mallocFreeBytes, 2 * MiB, "malloc's share")
  near(notAsked.arrayBuffersResidentBytes, asked.arrayBuffersResidentBytes, MiB, 'ArrayBuffers')
  near(notAsked.unexplainedBytes, asked.unexplainedBytes, MiB, 'unexplained')
  assert.strictEqual(buffer.length + untouched.length, 146_913_560)
})

test('wrong options are refused before anything happens', () => {
  for (const value of [null, 1, 'malloc', []]) assert.throws(() => residentBreakdown(value), { name: 'TypeError', code: 'ERR_INVALID_ARG_TYPE' })
  for (const malloc of [null, 0, 1, 'false', {}]) assert.throws(() => residentBreakdown({ malloc }), { name: 'TypeError', code: 'ERR_INVALID_ARG_TYPE' })
  assert.throws(() => residentBreakdown({ maloc: false }), { name: 'TypeError', code: 'ERR_INVALID_ARG_VALUE', message: /did you mean "malloc"/ })
})

test('many breakdowns at once are each complete', { skip }, async () => {
  const tables = await Promise.all(Array.from({ length: 8 }, () => table()))

  for (const { rss } of tables) near(rss, tables[0].rss, 16 * MiB, 'rss')
})

test('when descriptors are short, the error has this reason and does not blame the platform', { skip }, async () => {
  const said = await runChildForJson(`
    const fs = require('node:fs')
    const { residentBreakdown } = require(${JSON.stringify(root)})
    const held = []
    ;(async () => {
      await residentBreakdown()
      try { for (;;) held.push(fs.openSync('/dev/null')) } catch {}
      const { code, message } = await residentBreakdown().then(() => ({}), (error) => error)
      for (const fd of held) fs.closeSync(fd)
      const { rss } = await residentBreakdown()
      console.log(JSON.stringify({ code, message, again: rss > 0 }))
    })()
  `, { command: ['prlimit', '--nofile=100'] })

  assert.deepStrictEqual([said.code, said.again], ['ERR_OFFHEAP_READ_FAILED', true])
  assert.match(said.message, /Too many open files;/)
})
