'use strict'

const test = require('node:test')
const assert = require('node:assert')
const path = require('node:path')
const { Worker } = require('node:worker_threads')
const { addons } = require('../../..')
const { expectNoAddonGrowth } = require('../../../lib/faces/testing')
const { fixtureAddon } = require('../../helpers/fixture-addon.js')

const WRONG_NUMBERS = [null, NaN, -1, 1.5, Infinity, '5', {}, 2 ** 53]

const { file, skip } = fixtureAddon('everything')
const addon = skip === undefined ? require(file) : undefined
const name = skip === undefined ? path.basename(file) : undefined

const failure = (promise) => promise.then(() => assert.fail('nothing was found'), (error) => error)
const figure = ({ figures }, metric) => figures.find((each) => each.metric === metric && each.addon === name)

test('references that are not deleted are found, by addon and count per iteration', { skip }, async () => {
  // GIVEN a function that makes three references a call and deletes one
  const leaky = () => { addon.deleteReference(addon.references(3, 1)) }

  // WHEN
  const error = await failure(expectNoAddonGrowth(leaky, { addon: name, iterations: 10, warmup: 4 }))

  // THEN
  assert.ok(error instanceof Error)
  assert.deepStrictEqual([error.name, error.code], ['OffheapError', 'ERR_OFFHEAP_ADDON_GROWTH'])
  assert.strictEqual(error.message, [
    'What an addon holds grew each time the function ran:',
    `  ${name}: +2 references per iteration (block 1: +20, block 2: +20, of 10 iterations each; tolerance 0)`,
    '  after 4 calls to warm up, in each of 2 attempts',
    'Find what keeps it; if it is a cache, raise *warmup* until the cache is full',
    'Counted: what addons hold through Node-API; not memory of their own malloc, and not what Node itself holds (docs/testing.md)'
  ].join('\n'))
  assert.deepStrictEqual(figure(error.growth, 'references'),
    { addon: name, metric: 'references', blockCounts: [20, 20], countPerIteration: 2, toleranceCount: 0, grew: true })
  assert.deepStrictEqual(error.growth.figures.filter(({ grew }) => grew).length, 1)
  assert.deepStrictEqual([error.growth.iterations, error.growth.warmup, error.growth.attempts], [10, 4, 2])
})

test('each kind of thing that an addon can leave behind is found under its name', { skip }, async () => {
  const kept = []
  const keep = (value) => { kept.push(value) }
  const leaks = {
    references: () => { addon.references(1, 0) },
    wraps: () => {
      const object = {}
      addon.wrap(object, false, false)
      keep(object)
    },
    externals: () => keep(addon.external(false)),
    externalArrayBuffers: () => keep(addon.externalArrayBuffer(11)),
    externalBuffers: () => keep(addon.externalBuffer(11)),
    externalStrings: () => keep(addon.externalLatin1(1_001)),
    finalizers: () => {
      const object = {}
      addon.addFinalizer(object, false)
      keep(object)
    },
    threadsafeFunctions: () => addon.unrefThreadsafeFunction(addon.threadsafeFunction(() => {}, 1)),
    deferreds: () => { addon.deferred() },
    asyncWorks: () => { addon.asyncWork() },
    asyncCleanupHooks: () => { addon.asyncCleanupHook() }
  }
  // Node 20 cannot make one.
  if (Number(process.versions.node.split('.')[0]) >= 22) leaks.externalSharedArrayBuffers = () => keep(addon.externalSharedArrayBuffer(1_003))
  for (const [metric, leaky] of Object.entries(leaks)) {
    const { code, growth } = await failure(expectNoAddonGrowth(leaky, { addon: name, iterations: 3, warmup: 1 }))
    assert.strictEqual(code, 'ERR_OFFHEAP_ADDON_GROWTH', metric)
    assert.deepStrictEqual(figure(growth, metric).blockCounts, [3, 3], metric)
  }
  assert.ok(kept.length > 0)
})

test('an addon that releases everything passes, and what it held before does not matter', { skip }, async () => {
  addon.references(1_003, 1)
  const clean = async () => {
    addon.deleteReference(addon.references(1, 1))
    addon.wrap({}, false, true)
    addon.externalBuffer(1_003)
    const { id, promise } = addon.deferred()
    addon.resolve(id, 1)
    await promise
  }

  const { attempts, figures } = await expectNoAddonGrowth(clean, { addon: name, iterations: 7 })

  assert.strictEqual(attempts, 1)
  assert.ok(figures.every(({ grew, blockCounts }) => !grew && blockCounts[1] === 0), JSON.stringify(figures))
})

test('a cache that fills up in the first block is no growth, and a tolerance is kept to', { skip }, async () => {
  let made = 0
  await expectNoAddonGrowth(() => { if (made++ < 5) addon.references(1, 1) }, { addon: name, iterations: 5, warmup: 2 })
  await expectNoAddonGrowth(() => { addon.references(2, 1) }, { addon: name, iterations: 3, warmup: 0, toleranceCount: 6 })
  const { growth } = await failure(expectNoAddonGrowth(() => { addon.references(2, 1) }, { addon: name, iterations: 3, warmup: 0, toleranceCount: 5 }))
  assert.strictEqual(figure(growth, 'references').toleranceCount, 5)
})

test('without a name every addon is checked', { skip }, async () => {
  const { growth } = await failure(expectNoAddonGrowth(() => { addon.references(1, 1) }, { iterations: 3 }))

  assert.strictEqual(figure(growth, 'references').grew, true)
})

test('growth of another thread is not growth of this one', { skip }, async (t) => {
  const worker = new Worker(`
    const addon = require(${JSON.stringify(file)})
    const { parentPort } = require('node:worker_threads')
    setInterval(() => addon.references(1, 1), 1)
    parentPort.postMessage('ready')
  `, { eval: true })
  t.after(() => worker.terminate())
  await new Promise((resolve) => worker.once('message', resolve))

  await expectNoAddonGrowth(() => {}, { addon: name, iterations: 10 })
})

test('watching ends with it, and what the function throws is passed through', { skip }, async () => {
  const thrown = new RangeError('from the function under test')
  assert.strictEqual(await failure(expectNoAddonGrowth(() => { throw thrown })), thrown)
  assert.deepStrictEqual([...new Set(addons().rows.map(({ coverage }) => coverage))], ['none'])
})

test('wrong arguments are refused, and so is an addon that is not there', async () => {
  for (const fn of [undefined, null, 5, {}, 'fn']) {
    await assert.rejects(expectNoAddonGrowth(fn), { name: 'TypeError', code: 'ERR_INVALID_ARG_TYPE' })
  }
  for (const option of ['iterations', 'warmup', 'toleranceCount']) {
    for (const wrong of WRONG_NUMBERS) {
      const { code } = await failure(expectNoAddonGrowth(() => {}, { [option]: wrong }))
      assert.ok(code === 'ERR_INVALID_ARG_TYPE' || code === 'ERR_OUT_OF_RANGE', `${option}: ${String(wrong)}: ${code}`)
    }
  }
  for (const wrong of [null, 5, {}, true]) await assert.rejects(expectNoAddonGrowth(() => {}, { addon: wrong }), { code: 'ERR_INVALID_ARG_TYPE' })
  await assert.rejects(expectNoAddonGrowth(() => {}, { addon: '' }), { code: 'ERR_INVALID_ARG_VALUE' })
  await assert.rejects(expectNoAddonGrowth(() => {}, { adon: 'x' }), /did you mean "addon"/)
  await assert.rejects(expectNoAddonGrowth(() => {}, { addon: 'nosuch', iterations: 1 }), { code: 'ERR_INVALID_ARG_VALUE', message: /"nosuch"/ })
})
