'use strict'

const test = require('node:test')
const assert = require('node:assert')
const path = require('node:path')
const { Worker } = require('node:worker_threads')
const { once } = require('node:events')
const { bufferProfile, createRouteContext, externalAllocations, memory, support, trackBuffers } = require('../../..')
const { startTracking } = require('../../../lib/buffers/profile/tracking.js')
const { trackingSettings } = require('../../../lib/buffers/track-buffers.js')
const { collectThoroughly, settledWhen } = require('../../helpers/settle.js')
const { runChildForJson } = require('../../helpers/child.js')

const root = path.join(__dirname, '..', '..', '..')

/** Samples with these gaps every time; nothing is left out for the sake of speed. */
function trackSeeded (t, seed, options) {
  const tracking = startTracking(trackingSettings('options', { maxOverhead: 1, ...options }), seed)
  t.after(() => tracking.stop())
  return tracking
}

/** The sites whose stack has this function in it, as one. */
function of (profile, functionName) {
  const sites = profile.sites.filter(({ stack }) => stack.some((frame) => frame.functionName === functionName))
  const sum = (name) => sites.reduce((total, site) => total + site[name], 0)
  const error = (name) => Math.sqrt(sites.reduce((total, site) => total + site[name] ** 2, 0))
  return {
    sites: sites.length,
    liveBytes: sum('liveBytes'),
    liveBytesStandardError: error('liveBytesStandardError'),
    liveCount: sum('liveCount'),
    liveCountStandardError: error('liveCountStandardError'),
    totalBytes: sum('totalBytes'),
    totalBytesStandardError: error('totalBytesStandardError')
  }
}

test('without trackBuffers(), a profile has the same names with null figures, and no error', async () => {
  const { off, lean, pprof, folded, on } = await runChildForJson(`
    const { bufferProfile, trackBuffers } = require(${JSON.stringify(root)})
    const off = bufferProfile()
    const lean = bufferProfile({ sites: false })
    const pprof = require('node:zlib').gunzipSync(bufferProfile({ format: 'pprof' })).length
    const folded = bufferProfile({ format: 'folded' })
    trackBuffers()
    console.log(JSON.stringify({ off, lean, pprof, folded, on: bufferProfile() }))
  `)

  const { active, functions, sites, routes, ...figures } = off
  assert.deepStrictEqual({ active, functions, sites, routes }, { active: false, functions: [], sites: [], routes: {} })
  for (const [name, figure] of Object.entries(figures)) assert.strictEqual(figure, null, name)
  assert.deepStrictEqual(Object.keys(off), Object.keys(on))
  assert.deepStrictEqual(lean, { ...off, sites: null })
  assert.deepStrictEqual([pprof > 0, folded], [true, ''])
  assert.strictEqual(on.active, true)
})

// The true values of the accuracy test. It has three call sites. Half of the Buffers of the second one and all of the third one are released.
const SMALL = { count: 900_000, byteLength: 71 }
const MEDIUM = { count: 40_000, byteLength: 2_503 }
const LARGE = { count: 111, byteLength: 613_337 }

function makeSmall (kept) {
  const text = 'x'.repeat(SMALL.byteLength)
  for (let i = 0; i < SMALL.count; i++) kept.push(Buffer.from(text))
}

function makeMedium (kept) {
  for (let i = 0; i < MEDIUM.count; i++) {
    const buffer = Buffer.allocUnsafeSlow(MEDIUM.byteLength)
    if (i % 2 === 0) kept.push(buffer)
  }
}

function makeLarge (kept) {
  for (let i = 0; i < LARGE.count; i++) kept.push(Buffer.alloc(LARGE.byteLength))
}

test('over 200 MB from three call sites, estimates are within the stated error', async (t) => {
  trackSeeded(t, 7)
  const small = []
  const medium = []
  const large = []
  makeSmall(small)
  makeMedium(medium)
  makeLarge(large)
  large.length = 0

  const bytes = ({ count, byteLength }) => count * byteLength
  assert.ok(bytes(SMALL) + bytes(MEDIUM) + bytes(LARGE) > 200e6)
  await settledWhen('all of the large ones are gone', () => of(bufferProfile(), 'makeLarge').liveBytes === 0)
  await collectThoroughly()
  const profile = bufferProfile()

  const within = (what, estimate, error, truth) => {
    assert.ok(error > 0 && error < 0.25 * truth, `${what}: the error of ${error} is not much below ${truth}`)
    assert.ok(Math.abs(estimate - truth) <= 3 * error, `${what}: ${estimate} ± ${error} is not ${truth}`)
  }
  for (const [name, size, alive] of [['makeSmall', SMALL, 1], ['makeMedium', MEDIUM, 0.5], ['makeLarge', LARGE, 0]]) {
    const site = of(profile, name)
    within(`total of ${name}`, site.totalBytes, site.totalBytesStandardError, bytes(size))
    if (alive > 0) {
      within(`live of ${name}`, site.liveBytes, site.liveBytesStandardError, alive * bytes(size))
      within(`live count of ${name}`, site.liveCount, site.liveCountStandardError, alive * size.count)
    }
  }
  assert.deepStrictEqual([small.length, medium.length], [SMALL.count, MEDIUM.count / 2])
})

test('estimates hit the truth on average, and miss it by the stated error', (t) => {
  // GIVEN the same 30 MB over and over, each time with other gaps
  const truth = 3_000 * 10_007
  const make = () => {
    for (let i = 0; i < 3_000; i++) Buffer.allocUnsafeSlow(10_007)
  }
  const errors = []
  for (let seed = 1; seed <= 40; seed++) {
    const tracking = startTracking(trackingSettings('options', { maxOverhead: 1 }), seed)
    make()
    tracking.stop()
    const { totalBytes, totalBytesStandardError } = of(bufferProfile(), 'make')
    errors.push((totalBytes - truth) / totalBytesStandardError)
  }

  const mean = errors.reduce((sum, error) => sum + error) / errors.length
  const spread = Math.sqrt(errors.reduce((sum, error) => sum + error ** 2, 0) / errors.length)
  // In units of the standard error: 0 ± 1/√40, and 1.
  assert.ok(Math.abs(mean) < 0.5, `biased by ${mean} standard errors`)
  assert.ok(spread > 0.7 && spread < 1.4, `off by ${spread} standard errors`)
})

test('every slab is counted while Buffers are tracked, whichever function uses it', (t) => {
  trackSeeded(t, 3)
  const before = memory().bufferPool
  const seen = new Set([Buffer.allocUnsafe(1).buffer])
  const kept = []
  const cuts = [
    () => Buffer.from('a few words'),
    () => Buffer.allocUnsafe(1),
    () => Buffer.allocUnsafe(before.currentSlab.byteLength / 2 - 200 >>> 0),
    () => Buffer.from([1, 2, 3]),
    () => Buffer.concat([Buffer.alloc(10), Buffer.alloc(90)]),
    () => Buffer.copyBytesFrom(new Uint16Array(700)),
    () => Buffer.from(new Uint8Array(333)),
    () => Buffer.alloc(4_000),
    () => Buffer.allocUnsafeSlow(20_000),
    () => Buffer.from(new ArrayBuffer(70_000), 9, 50),
    () => Buffer.allocUnsafe(200_000)
  ]
  for (let i = 0; i < 20_000; i++) {
    const buffer = cuts[(i * 7 + (i >> 5)) % cuts.length]()
    if (i % 10 === 0) kept.push(buffer)
    if (buffer.byteOffset === 9 && buffer.buffer.byteLength === 70_000) continue
    if (buffer.buffer.byteLength === before.currentSlab.byteLength) seen.add(buffer.buffer)
  }
  const after = memory().bufferPool

  assert.strictEqual(after.coverage, 'full')
  assert.strictEqual(after.coverageReason, null)
  assert.ok(seen.size > 100)
  assert.strictEqual(after.createdCount - before.createdCount, seen.size - 1)
})

test('slabs are counted exactly between large Buffers of every kind', (t) => {
  const tracking = trackBuffers()
  t.after(() => tracking.stop())
  const large = 50_021
  for (const between of [
    () => Buffer.alloc(large),
    () => Buffer.alloc(101),
    () => Buffer.allocUnsafeSlow(large),
    () => Buffer.allocUnsafe(large),
    () => Buffer.from(new Uint8Array(large)),
    () => Buffer.from(new ArrayBuffer(large)),
    () => Buffer.concat([new Uint8Array(large)])
  ]) {
    const before = memory().bufferPool.createdCount
    const seen = new Set([Buffer.allocUnsafe(1).buffer])
    for (let round = 0; round < 4_000; round++) {
      seen.add(Buffer.from('x'.repeat(67)).buffer)
      between()
    }
    assert.ok(seen.size > 3)
    assert.strictEqual(memory().bufferPool.createdCount - before, seen.size - 1, `${between}`)
  }
})

test('a sample has its stack, innermost first, without frames of offheap', (t) => {
  trackSeeded(t, 5)
  function outerOfAll () { return innerOfAll() }
  function innerOfAll () { return Buffer.alloc(100_000_000) }
  const kept = outerOfAll()
  const site = bufferProfile().sites.find(({ stack }) => stack[0].functionName === 'innerOfAll')

  assert.strictEqual(site.stack[1].functionName, 'outerOfAll')
  assert.strictEqual(site.stack[0].file, __filename)
  assert.ok(site.stack[0].line > 1 && site.stack[0].column > 1)
  assert.strictEqual(site.liveBytes, kept.length)
  assert.ok(site.stack.length <= 16)
})

test('a subarray keeps the bytes of a Buffer of its own alive', async (t) => {
  trackSeeded(t, 5)
  const kept = []
  function keepSomeOf () { kept.push(Buffer.alloc(30_000_007).subarray(5, 15)) }
  keepSomeOf()
  await collectThoroughly()
  assert.strictEqual(of(bufferProfile(), 'keepSomeOf').liveBytes, 30_000_007)

  kept.length = 0
  await settledWhen('the subarray is gone', () => of(bufferProfile(), 'keepSomeOf').liveBytes === 0)
  assert.strictEqual(of(bufferProfile(), 'keepSomeOf').totalBytes, 30_000_007)
})

test('Buffers over an ArrayBuffer that was there before are not allocations', (t) => {
  trackSeeded(t, 5)
  const buffers = [new ArrayBuffer(90_000_000), new SharedArrayBuffer(90_000_000)]
  function wrapAll () {
    const boxed = { valueOf: () => buffers[0] }
    return [...buffers.map((buffer) => Buffer.from(buffer)), Buffer.from(buffers[0], 8, 80_000_000), Buffer.from(boxed)]
  }
  for (let i = 0; i < 50; i++) wrapAll()

  assert.strictEqual(of(bufferProfile(), 'wrapAll').sites, 0)
})

test('samples are counted under the route that is served, also when it becomes known later', (t) => {
  trackSeeded(t, 5)
  let route = ''
  const late = createRouteContext(() => route)
  const kept = [
    createRouteContext('GET /known').run(() => Buffer.alloc(40_000_000)),
    late.run(() => Buffer.alloc(50_000_000)),
    Buffer.alloc(60_000_000)
  ]
  route = 'GET /late'
  late.settle()
  const { routes, sites } = bufferProfile()

  assert.deepStrictEqual(Object.fromEntries(Object.entries(routes).map(([name, { liveBytes }]) => [name, liveBytes])), {
    'GET /known': 40_000_000, 'GET /late': 50_000_000, '(no route)': 60_000_000
  })
  assert.ok(sites.some((site) => site.routes['GET /late']?.liveBytes === 50_000_000))
  assert.strictEqual(kept.length, 3)
})

test('two trackings use one profile, which ends with the last one and stays readable', () => {
  const original = Buffer.alloc
  const first = trackBuffers({ sampleIntervalBytes: 8_000_000 })
  const second = trackBuffers({ sampleIntervalBytes: 1_000_000 })
  assert.strictEqual(bufferProfile().sampleIntervalBytes, 1_000_000)
  first.stop()
  first.stop()
  assert.notStrictEqual(Buffer.alloc, original)
  assert.strictEqual(bufferProfile().active, true)
  assert.deepStrictEqual([first.active, second.active], [false, true])
  const kept = Buffer.alloc(900_000_011)
  second[Symbol.dispose]()

  assert.strictEqual(Buffer.alloc, original)
  assert.strictEqual(bufferProfile().active, false)
  assert.strictEqual(bufferProfile().liveBytes, kept.length)
  assert.strictEqual(memory().bufferPool.coverage, 'partial')
})

test('only the functions that were asked for are wrapped', () => {
  const { alloc, from, allocUnsafe } = Buffer
  const tracking = trackBuffers({ functions: ['alloc'] })
  try {
    assert.notStrictEqual(Buffer.alloc, alloc)
    assert.deepStrictEqual([Buffer.from, Buffer.allocUnsafe], [from, allocUnsafe])
    assert.deepStrictEqual(bufferProfile().functions, ['alloc'])
    assert.strictEqual(memory().bufferPool.coverage, 'partial')
    assert.match(memory().bufferPool.coverageReason, /does not wrap all functions/)
  } finally {
    tracking.stop()
  }
})

test('a service that allocates all the time is sampled less often, and the estimate stays correct', () => {
  const tracking = startTracking(trackingSettings('options', { sampleIntervalBytes: 1_000, maxOverhead: 0.001 }), 11)
  function allocateOnAndOn () {
    for (let i = 0; i < 20_000; i++) Buffer.allocUnsafeSlow(5_003)
  }
  allocateOnAndOn()
  const { sampleIntervalBytes } = bufferProfile()
  const { totalBytes, totalBytesStandardError } = of(bufferProfile(), 'allocateOnAndOn')
  tracking.stop()

  assert.ok(sampleIntervalBytes > 1_000)
  // How often it sampled depends on the machine, so the error does: five of them, which happens once in two million times.
  assert.ok(Math.abs(totalBytes - 20_000 * 5_003) <= 5 * totalBytesStandardError, `${totalBytes} ± ${totalBytesStandardError}`)
})

test('each worker has a profile of its own, and its end leaves the others alone', async () => {
  const tracking = trackBuffers()
  const worker = new Worker(`
    const { parentPort } = require('node:worker_threads')
    const { bufferProfile, trackBuffers } = require(${JSON.stringify(root)})
    trackBuffers()
    global.kept = Buffer.alloc(200_000_003)
    parentPort.postMessage(bufferProfile().liveBytes)
    setInterval(() => Buffer.alloc(1000), 1)
  `, { eval: true })
  const [liveBytes] = await once(worker, 'message')
  const kept = Buffer.alloc(300_000_007)
  await worker.terminate()

  assert.strictEqual(liveBytes, 200_000_003)
  assert.strictEqual(bufferProfile().liveBytes, kept.length)
  tracking.stop()
})

test('wrong options are refused, and nothing is wrapped', () => {
  const { from } = Buffer
  const refused = (options, code) => assert.throws(() => trackBuffers(options), { code })
  for (const sampleIntervalBytes of [0, -1, NaN, 1.5, Infinity, 2 ** 53]) refused({ sampleIntervalBytes }, 'ERR_OUT_OF_RANGE')
  for (const sampleIntervalBytes of [null, {}]) refused({ sampleIntervalBytes }, 'ERR_INVALID_ARG_TYPE')
  for (const sampleIntervalBytes of ['5', '80%', 'nonsense']) refused({ sampleIntervalBytes }, 'ERR_INVALID_ARG_VALUE')
  for (const maxOverhead of [0, -1, NaN, 1.1]) refused({ maxOverhead }, 'ERR_OUT_OF_RANGE')
  refused({ maxOverhead: '1' }, 'ERR_INVALID_ARG_TYPE')
  for (const stackDepth of [0, 201, 1.5]) refused({ stackDepth }, 'ERR_OUT_OF_RANGE')
  refused({ functions: 'from' }, 'ERR_INVALID_ARG_TYPE')
  refused({ functions: [] }, 'ERR_INVALID_ARG_VALUE')
  refused({ functions: ['form'] }, 'ERR_INVALID_ARG_VALUE')
  refused({ sampleInterval: 5 }, 'ERR_INVALID_ARG_VALUE')
  refused(5, 'ERR_INVALID_ARG_TYPE')
  assert.throws(() => bufferProfile({ format: 'svg' }), { code: 'ERR_INVALID_ARG_VALUE' })
  assert.throws(() => bufferProfile({ formt: 'pprof' }), { code: 'ERR_INVALID_ARG_VALUE', message: /did you mean "format"/ })

  assert.strictEqual(Buffer.from, from)
})

test('samples and slabs are not in the tallies of external allocations, and their references end with them', async (t) => {
  const before = externalAllocations()
  const tracking = trackSeeded(t, 9, { sampleIntervalBytes: 2_000 })
  function churn () {
    for (let i = 0; i < 5_000; i++) Buffer.allocUnsafeSlow(3_001)
  }
  churn()
  assert.ok(bufferProfile().totalSampleCount > 2_000)
  assert.deepStrictEqual(externalAllocations(), before)
  await settledWhen('all of churn is gone', () => of(bufferProfile(), 'churn').liveBytes === 0)
  tracking.stop()
  await settledWhen('few references are left', () => support().ownReferences.weakCount < 200)

  assert.deepStrictEqual(externalAllocations(), before)
})

test('without a sample, the standard error covers the allocations that were not sampled', async () => {
  const said = await runChildForJson(`
    const { bufferProfile, trackBuffers } = require(${JSON.stringify(root)})
    trackBuffers({ sampleIntervalBytes: 1e15 })
    const { liveBytesStandardError: before } = bufferProfile()
    const kept = Array.from({ length: 50 }, () => Buffer.alloc(1_000_003))
    const { liveBytes, liveBytesStandardError, liveCount, totalBytesStandardError } = bufferProfile()
    console.log(JSON.stringify({ before, liveBytes, liveCount, live: liveBytesStandardError / kept.length, total: totalBytesStandardError / kept.length }))
  `)

  assert.ok(said.before < 100_000, `${said.before} before anything was allocated`)
  assert.deepStrictEqual([said.liveBytes, said.liveCount], [0, 0])
  // √2 times all that was charged: 8 bytes more for each, and a little of Node's own.
  for (const error of [said.live, said.total]) assert.ok(error > Math.SQRT2 * 1_000_003 && error < 1.01 * Math.SQRT2 * 1_000_011, String(error))
})
