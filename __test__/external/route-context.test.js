'use strict'

const test = require('node:test')
const assert = require('node:assert')
const { allocExternal, createRouteContext, externalAllocations, track } = require('../..')
const { settledWhen } = require('../helpers/settle.js')

const held = []
const bytesOf = (route) => externalAllocations().routes[route]?.liveBytes ?? 0

test('what is tracked inside a context is counted under its route, before and after an await', async () => {
  const context = createRouteContext('GET /items/:id')
  await context.run(async () => {
    held.push(track(Buffer.alloc(1_000)))
    await new Promise(setImmediate)
    held.push(allocExternal(2_000), track({}, { byteLength: 500 }))
  })
  held.push(track(Buffer.alloc(9_999)))

  assert.strictEqual(bytesOf('GET /items/:id'), 3_500)
})

test('two contexts that are open at once do not mix', async () => {
  const run = (name, bytes) => createRouteContext(name).run(async () => {
    for (let i = 0; i < 10; i++) {
      await new Promise(setImmediate)
      held.push(track(Buffer.alloc(bytes)))
    }
  })
  await Promise.all([run('GET /a', 1_001), run('GET /b', 2_002)])

  assert.strictEqual(bytesOf('GET /a'), 10_010)
  assert.strictEqual(bytesOf('GET /b'), 20_020)
})

test('a route that becomes known later gets what was counted before', () => {
  const known = {}
  const context = createRouteContext(() => known.route)
  const before = bytesOf('(no route)')
  context.run(() => held.push(track(Buffer.alloc(3_000)), track(new ArrayBuffer(300)), allocExternal(4_000)))
  assert.strictEqual(bytesOf('(no route)') - before, 7_300)

  known.route = 'POST /late'
  context.settle()
  assert.strictEqual(bytesOf('POST /late'), 7_300)
  assert.strictEqual(bytesOf('(no route)'), before)
})

test('the next value moves earlier values under the route too', () => {
  const known = {}
  const context = createRouteContext(() => known.route)
  context.run(() => held.push(track(Buffer.alloc(1_000))))
  known.route = 'PUT /next'
  context.run(() => held.push(track(Buffer.alloc(100))))

  assert.strictEqual(bytesOf('PUT /next'), 1_100)
})

test('a route that never becomes known, or whose function throws, causes no error', () => {
  const before = bytesOf('(no route)')
  for (const route of [() => undefined, () => '', () => 5, () => { throw new Error('the host\'s') }]) {
    const context = createRouteContext(route)
    context.run(() => held.push(track(Buffer.alloc(1_000))))
    context.settle()
  }
  assert.strictEqual(bytesOf('(no route)') - before, 4_000)
})

test('an async route function by mistake names no route, and its rejection ends nothing', async () => {
  const unhandled = []
  const listener = (error) => unhandled.push(error)
  process.on('unhandledRejection', listener)
  const context = createRouteContext(async () => { throw new Error('no') })
  const before = bytesOf('(no route)')
  context.run(() => held.push(track(Buffer.alloc(700))))
  context.settle()
  for (let n = 0; n < 3; n++) await new Promise(setImmediate)
  process.off('unhandledRejection', listener)

  assert.deepStrictEqual(unhandled, [])
  assert.strictEqual(bytesOf('(no route)') - before, 700)
})

test('a value that was released before the route became known is not moved', async () => {
  const known = {}
  const context = createRouteContext(() => known.route)
  const before = externalAllocations()
  context.run(() => { track(Buffer.alloc(7_000), { label: 'released early' }) })
  await settledWhen('it is released', () => externalAllocations().labels['released early'].liveCount === 0)
  held.push(track(Buffer.alloc(100)))
  known.route = 'GET /too-late'
  context.settle()

  assert.strictEqual(bytesOf('GET /too-late'), 0)
  assert.strictEqual(externalAllocations().liveBytes - before.liveBytes, 100)
})

test('more routes than are kept apart are folded, and long templates cut', () => {
  createRouteContext(() => `GET /${'x'.repeat(300)}`).run(() => held.push(track(Buffer.alloc(100))))
  assert.strictEqual(bytesOf(`GET /${'x'.repeat(250)}…`), 100)

  for (let i = 0; i < 1_100; i++) createRouteContext(() => `GET /${i}`).run(() => held.push(track(Buffer.alloc(100))))
  const { routes, routesFolded, liveBytes } = externalAllocations()
  assert.strictEqual(routesFolded, true)
  assert.ok(routes['(other)'].liveCount >= 76)
  assert.strictEqual(Object.values(routes).reduce((sum, tally) => sum + tally.liveBytes, 0), liveBytes)
})

test('run passes arguments, results and errors through', () => {
  const context = createRouteContext('GET /through')
  assert.strictEqual(context.run((a, b) => a * b, 6, 7), 42)
  const error = new Error('mine')
  assert.throws(() => context.run(() => { throw error }), (thrown) => thrown === error)
})
