'use strict'

const test = require('node:test')
const assert = require('node:assert')
const os = require('node:os')
const path = require('node:path')
const v8 = require('node:v8')
const { Worker } = require('node:worker_threads')
const { memory } = require('../../index.js')
const { runChildForJson } = require('../helpers/child.js')

const root = path.join(__dirname, '..', '..')
const MiB = 2 ** 20
const onLinux = process.platform === 'linux' ? false : 'these figures come from /proc'

const NAMES = [
  'rss', 'rssAnonBytes', 'rssFileBytes', 'rssShmemBytes', 'heapTotal', 'heapUsed', 'heapLimitBytes', 'external', 'arrayBuffers',
  'otherExternalBytes', 'declaredExternalBytes', 'trackedExternalBytes', 'globalHandlesBytes', 'cgroupLimitBytes',
  'cgroupUsageBytes', 'cgroupWorkingSetBytes', 'cgroupVersion', 'machineTotalBytes', 'machineAvailableBytes',
  'containerTotalBytes',
  'bufferPool'
]

function near (actual, expected, tolerance, what) {
  assert.ok(Math.abs(actual - expected) <= tolerance, `${what}: expected ${expected} ± ${tolerance}, got ${actual}`)
}

test('memory() is a plain object of numbers, with null for what cannot be measured', () => {
  const reading = memory()

  assert.deepStrictEqual(Object.keys(reading), NAMES)
  assert.strictEqual(Object.getPrototypeOf(reading), Object.prototype)
  const { bufferPool, ...figures } = reading
  assert.strictEqual(bufferPool.pinnedBytes, bufferPool.liveBytes - bufferPool.currentSlab.byteLength)
  for (const [name, value] of Object.entries(figures)) {
    assert.ok(value === null || (Number.isSafeInteger(value) && value >= 0), `${name} is ${value}`)
  }
})

test('the three kinds of resident memory add up to rss', { skip: onLinux }, () => {
  const { rss, rssAnonBytes, rssFileBytes, rssShmemBytes } = memory()

  assert.strictEqual(rssAnonBytes + rssFileBytes + rssShmemBytes, rss)
  assert.ok(rssAnonBytes > 0 && rssFileBytes > 0)
  near(rss, process.memoryUsage.rss(), 8 * MiB, 'rss')
})

test('the figures of the heap are those of Node', () => {
  const reading = memory()
  const node = process.memoryUsage()

  assert.strictEqual(reading.heapLimitBytes, v8.getHeapStatistics().heap_size_limit)
  assert.strictEqual(reading.globalHandlesBytes, v8.getHeapStatistics().used_global_handles_size)
  near(reading.heapTotal, node.heapTotal, 4 * MiB, 'heapTotal')
  near(reading.heapUsed, node.heapUsed, 4 * MiB, 'heapUsed')
})

test('a Buffer of 12,345,678 bytes moves external, arrayBuffers and the declared counter by exactly that', async () => {
  // In a process of its own, because the test runner allocates and releases Buffers.
  const { before, after } = await runChildForJson(`
    const { memory } = require(${JSON.stringify(root)})
    const { settledReading } = require(${JSON.stringify(path.join(root, '__test__', 'helpers', 'settle.js'))})
    const counters = () => settledReading(() => {
      const { arrayBuffers, external, declaredExternalBytes, otherExternalBytes } = memory()
      return { arrayBuffers, external, declaredExternalBytes, otherExternalBytes }
    })
    ;(async () => {
      const before = await counters()
      const buffer = Buffer.alloc(12_345_678)
      const after = await counters()
      console.log(JSON.stringify({ before, after, kept: buffer.length }))
    })()
  `, { execArgv: ['--expose-gc'] })

  assert.strictEqual(after.arrayBuffers - before.arrayBuffers, 12_345_678)
  assert.strictEqual(after.external - before.external, 12_345_678)
  assert.strictEqual(after.declaredExternalBytes - before.declaredExternalBytes, 12_345_678)
  assert.strictEqual(after.otherExternalBytes, before.otherExternalBytes)
})

test('where SharedArrayBuffers outweigh all else, otherExternalBytes is null and not a wrong number', () => {
  const shared = new SharedArrayBuffer(50_000_001)
  const reading = memory()

  assert.ok(reading.arrayBuffers > reading.external)
  assert.strictEqual(reading.otherExternalBytes, null)
  assert.strictEqual(shared.byteLength, 50_000_001)
})

test('the machine is the one that node:os sees', { skip: onLinux }, () => {
  const reading = memory()

  assert.strictEqual(reading.machineTotalBytes, os.totalmem())
  assert.ok(reading.machineAvailableBytes > 0 && reading.machineAvailableBytes <= reading.machineTotalBytes)
  assert.strictEqual(reading.containerTotalBytes, Math.min(reading.cgroupLimitBytes ?? Infinity, os.totalmem()))
})

test('reading ten thousand times changes nothing that is read but the pool, by 8 bytes each', async () => {
  const { before, spent, after } = await runChildForJson(`
    const { memory, support } = require(${JSON.stringify(root)})
    const { settledReading } = require(${JSON.stringify(path.join(root, '__test__', 'helpers', 'settle.js'))})
    const counters = () => settledReading(() => {
      const { declaredExternalBytes, globalHandlesBytes, bufferPool } = memory()
      const { weakCount } = support().ownReferences
      // A slab more or less is alive, depending on whose slices lie in it. Each has a reference of offheap's and one of V8's own.
      return { withoutPool: declaredExternalBytes - bufferPool.liveBytes, otherHandlesBytes: globalHandlesBytes - 64 * bufferPool.liveCount, otherReferences: weakCount - bufferPool.liveCount }
    })
    const cut = ({ createdCount, currentSlab: { byteLength, usedBytes } }) => createdCount * byteLength + usedBytes
    ;(async () => {
      const before = await counters()
      const first = cut(memory().bufferPool)
      for (let i = 0; i < 9_999; i++) memory()
      const spent = cut(memory().bufferPool) - first
      console.log(JSON.stringify({ before, spent, after: await counters() }))
    })()
  `, { execArgv: ['--expose-gc'] })

  assert.deepStrictEqual(after, before)
  // The end of a slab that is too short for a slice is left.
  assert.ok(spent >= 80_000 && spent < 80_000 + 16 * 8, `${spent} bytes of the pool`)
})

test('a worker thread sees its own heap and the rss of the whole process', async () => {
  const worker = new Worker(`
    const { parentPort } = require('node:worker_threads')
    const { memory } = require(${JSON.stringify(root)})
    const buffer = Buffer.alloc(23_456_789, 1)
    parentPort.postMessage(memory())
    parentPort.once('message', () => buffer)
  `, { eval: true, resourceLimits: { maxOldGenerationSizeMb: 77, maxYoungGenerationSizeMb: 4 } })
  const inWorker = await new Promise((resolve, reject) => worker.once('message', resolve).once('error', reject))
  const here = memory()
  worker.postMessage('done')
  await new Promise((resolve) => worker.once('exit', resolve))

  near(inWorker.arrayBuffers, 23_456_789, 1 * MiB, "the worker's arrayBuffers")
  near(inWorker.heapLimitBytes, 81 * MiB, 20 * MiB, "the worker's heap limit")
  assert.notStrictEqual(here.heapLimitBytes, inWorker.heapLimitBytes)
  near(here.rss, inWorker.rss, 16 * MiB, 'rss')
  assert.strictEqual(here.machineTotalBytes, inWorker.machineTotalBytes)
  assert.strictEqual(here.cgroupLimitBytes, inWorker.cgroupLimitBytes)
})

test('all figures are there under --permission, with only the package to read', async () => {
  const flag = process.allowedNodeEnvironmentFlags.has('--permission') ? '--permission' : '--experimental-permission'
  const { reading, support } = await runChildForJson(`
    const offheap = require(${JSON.stringify(root)})
    offheap.residentBreakdown().then((table) => {
      console.log(JSON.stringify({ reading: offheap.memory(), support: offheap.support(), rss: table.rss }))
    })
  `, { execArgv: [flag, '--allow-addons', `--allow-fs-read=${root}${path.sep}*`, '--no-warnings'] })

  const here = memory()
  for (const name of NAMES) {
    // Of what is null here, nothing is expected there.
    if (here[name] !== null) assert.notStrictEqual(reading[name], null, name)
  }
  assert.strictEqual(reading.machineTotalBytes, here.machineTotalBytes)
  assert.strictEqual(support.residentBreakdown.available, process.platform === 'linux')
})
