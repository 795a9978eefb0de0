'use strict'

const test = require('node:test')
const assert = require('node:assert')
const { externalAllocations, track } = require('../../..')
const { gcUntil } = require('../../../lib/faces/testing')
const { runChildForJson } = require('../../helpers/child.js')

const WRONG_NUMBERS = [null, NaN, -1, 0, 1.5, Infinity, '5', {}, 2 ** 53]

test('an unreachable tracked value is released when gcUntil resolves', async () => {
  // GIVEN a tracked value that dies at once, and one that is held
  const held = track(Buffer.alloc(1_237), { label: 'held' })
  track(Buffer.alloc(1_249), { label: 'dropped' })
  const live = () => externalAllocations().labels.dropped.liveBytes

  // WHEN waiting for the end of the first
  await gcUntil(() => live() === 0, { name: 'the dropped Buffer was collected' })

  // THEN it was counted out, and the other was not
  assert.strictEqual(live(), 0)
  assert.strictEqual(externalAllocations().labels.held.liveBytes, held.byteLength)
})

test('a condition that never holds is asked once per round, and the rejection names it and the rounds', async () => {
  let asked = 0

  await assert.rejects(gcUntil(() => { asked++; return false }, { name: 'pigs fly', maxRounds: 7 }), {
    name: 'OffheapError',
    code: 'ERR_OFFHEAP_GC_TIMEOUT',
    message: '"pigs fly" is not true after 7 full garbage collections; find what still holds the value, or raise *maxRounds*'
  })

  assert.strictEqual(asked, 7)
})

test('without a name and a limit the rejection names the function, after 50 rounds', async () => {
  let asked = 0
  const pigsFly = () => { asked++ }

  await assert.rejects(gcUntil(pigsFly), { message: /^"pigsFly" is not true after 50 / })

  assert.strictEqual(asked, 50)
})

test('timeoutMs ends it before the rounds do, and not before one round', async () => {
  let asked = 0
  const condition = async () => {
    asked++
    await new Promise((resolve) => setTimeout(resolve, 5))
  }

  await assert.rejects(gcUntil(condition, { name: 'slow', timeoutMs: 1 }), {
    code: 'ERR_OFFHEAP_GC_TIMEOUT',
    message: '"slow" is not true after 1 full garbage collection; *timeoutMs* of 1 has passed; give it more, or find what still holds the value'
  })

  assert.strictEqual(asked, 1)
})

test('a condition may be async, and what holds at once still takes one round', async () => {
  const dropped = new WeakRef({})
  let asked = 0

  await gcUntil(async () => { asked++; return true })

  assert.strictEqual(asked, 1)
  assert.strictEqual(dropped.deref(), undefined)
})

test('what the condition throws is passed through unchanged', async () => {
  const thrown = new Error('from the condition')

  await assert.rejects(gcUntil(() => { throw thrown }), (error) => error === thrown)
  await assert.rejects(gcUntil(async () => { throw thrown }), (error) => error === thrown)
})

test('wrong arguments are refused before the condition is asked', async () => {
  const never = () => assert.fail('was asked')

  for (const wrong of [undefined, null, 5, 'x', {}]) await assert.rejects(gcUntil(wrong), { code: 'ERR_INVALID_ARG_TYPE' })
  for (const wrong of [null, 5, 'x', []]) await assert.rejects(gcUntil(never, wrong), { code: 'ERR_INVALID_ARG_TYPE' })
  for (const name of ['maxRounds', 'timeoutMs']) {
    for (const wrong of WRONG_NUMBERS) {
      await assert.rejects(gcUntil(never, { [name]: wrong }), {
        code: typeof wrong === 'number' ? 'ERR_OUT_OF_RANGE' : 'ERR_INVALID_ARG_TYPE',
        message: new RegExp(`\\*options\\.${name}\\*`)
      })
    }
  }
  await assert.rejects(gcUntil(never, { name: '' }), { code: 'ERR_INVALID_ARG_VALUE' })
  await assert.rejects(gcUntil(never, { name: 5 }), { code: 'ERR_INVALID_ARG_TYPE' })
  await assert.rejects(gcUntil(never, { maxRound: 5 }), { code: 'ERR_INVALID_ARG_VALUE', message: /did you mean "maxRounds"/ })
})

test('the mocked timers of node:test do not stop it', async (t) => {
  t.mock.timers.enable()
  const dropped = new WeakRef({})

  await gcUntil(() => dropped.deref() === undefined, { timeoutMs: 60_000 })
})

// What a fresh process does; prints JSON.
const script = (body) => `
  const { gcUntil } = require(${JSON.stringify(require.resolve('../../../lib/faces/testing'))})
  const vm = require('node:vm')
  const report = (value) => process.stdout.write(JSON.stringify(value))
  ;(async () => { ${body} })()
`
const COLLECT = `
  const dropped = new WeakRef({})
  await gcUntil(() => dropped.deref() === undefined)
  const collected = dropped.deref() === undefined
`

test('it works without --expose-gc, and leaves the flag as it was', async () => {
  const result = await runChildForJson(script(`${COLLECT} report({ collected, here: typeof globalThis.gc, later: vm.runInNewContext('typeof gc') })`))

  assert.deepStrictEqual(result, { collected: true, here: 'undefined', later: 'undefined' })
})

test('with --expose-gc it uses the gc() that is there, and leaves the flag as it was', async () => {
  const result = await runChildForJson(script(`
    const real = globalThis.gc
    let calls = 0
    globalThis.gc = () => { calls++; real() }
    await gcUntil(() => true)
    report({ calls, later: vm.runInNewContext('typeof gc') })
  `), { execArgv: ['--expose-gc'] })

  assert.deepStrictEqual(result, { calls: 1, later: 'function' })
})

test('it works in a worker thread', async () => {
  const result = await runChildForJson(`
    const { Worker } = require('node:worker_threads')
    new Worker(${JSON.stringify(script(`${COLLECT} require('node:worker_threads').parentPort.postMessage(collected)`))}, { eval: true })
      .on('message', (collected) => process.stdout.write(JSON.stringify({ collected })))
  `)

  assert.deepStrictEqual(result, { collected: true })
})

test('nothing is left behind: no timer, no handle, no listener, and the process ends by itself', async () => {
  const result = await runChildForJson(script(`
    const { expectNoExternalGrowth } = require(${JSON.stringify(require.resolve('../../../lib/faces/testing'))})
    const listeners = () => process.eventNames().map((name) => [String(name), process.listenerCount(name)])
    const before = listeners()
    await gcUntil(() => true)
    await gcUntil(() => false, { maxRounds: 2, timeoutMs: 60_000 }).catch(() => {})
    await expectNoExternalGrowth(() => {}, { iterations: 2 })
    const left = process.getActiveResourcesInfo().filter((name) => !/^(Pipe|TTY|FS|File)/.test(name))
    report({ left, listenersAdded: JSON.stringify(listeners()) !== JSON.stringify(before) })
  `))

  assert.deepStrictEqual(result, { left: [], listenersAdded: false })
})

test('copies of a module that was loaded many times are collected', async () => {
  const result = await runChildForJson(require.resolve('../../fixtures/load-many-times.js'))

  assert.deepStrictEqual(result, { alive: 1 })
})
