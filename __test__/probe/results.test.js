'use strict'

const test = require('node:test')
const assert = require('node:assert')
const { runFixture } = require('./helpers/node.js')
const { probe, support, OffheapError } = require('../..')

const available = support().probe.available
const skip = available ? false : `no probe here: ${support().probe.reason}`

async function run (scenario, options) {
  const result = await runFixture('results.js', [scenario], options)
  assert.deepStrictEqual([result.code, result.signal], [0, null], result.stderr)
  return result.said
}

test('the child sees the heap as it was, and the service does not see what the child changes', { skip }, async () => {
  assert.deepStrictEqual(await run('values'), {
    owners: ['a', 'b'],
    childSawItsChange: true,
    serviceDidNot: true,
    map: true,
    nothing: true,
    not: true,
    anotherProcess: true
  })
})

test('a function without a result resolves with undefined', { skip }, async () => {
  assert.deepStrictEqual(await run('undefined'), { isUndefined: true })
})

test('a result of 64 MiB and one byte arrives whole', { skip }, async () => {
  assert.deepStrictEqual(await run('large'), { byteLength: 67_108_865, isFilled: true })
})

test('what the function throws keeps its class, message, stack and properties', { skip }, async () => {
  assert.deepStrictEqual(await run('thrown'), {
    isRangeError: true,
    message: 'too far',
    code: 'E_FAR',
    detail: { at: 7 },
    hasFn: false,
    stackNamesTheFunction: true,
    value: 42,
    custom: ['MineError', true, []]
  })
})

test('an error whose properties throw, and a DOMException, arrive as errors', { skip }, async () => {
  const hostile = await probe(() => {
    const error = new RangeError('x')
    Object.defineProperty(error, 'message', { get () { throw new Error('no') } })
    Object.defineProperty(error, 'detail', { enumerable: true, get () { throw new Error('no') } })
    throw error
  }).catch((error) => error)
  assert.deepStrictEqual([hostile instanceof RangeError, hostile.name, hostile.message], [true, 'RangeError', ''])
  const dom = await probe(() => { throw new DOMException('given up', 'AbortError') }).catch((error) => error)
  assert.deepStrictEqual([dom instanceof Error, dom.name, dom.message], [true, 'AbortError', 'given up'])
})

test('a promise, something that cannot be cloned, and process.exit() are refused', { skip }, async () => {
  const refused = await run('refused')
  for (const [name, { code, attempts }] of Object.entries(refused)) {
    assert.deepStrictEqual([code, attempts], ['ERR_OFFHEAP_PROBE_RESULT_REFUSED', 1], name)
  }
  assert.match(refused.abort.message, /called process\.abort\(\)/)
  assert.match(refused.exit.message, /called process\.exit\(\)/)
})

test('the child has no event loop, starts neither threads nor processes, and cannot signal the service', { skip }, async () => {
  assert.deepStrictEqual(await run('alone'), { spawn: 'EAGAIN', worker: 'ERR_WORKER_INIT_FAILED', kill: 'EPERM', ticks: 0 })
})

test('fifty probes in a row leave no descriptor and no zombie', { skip }, async () => {
  const { sum, before, after } = await run('repeated')
  assert.strictEqual(sum, 1275)
  assert.deepStrictEqual(after, before)
  assert.deepStrictEqual(after.children, [])
})

test('a second probe gets ERR_OFFHEAP_PROBE_IN_PROGRESS while the first is under way, and works after it', { skip }, async () => {
  const { first, second, third } = await run('together')
  assert.deepStrictEqual([first, second.code, third], ['first', 'ERR_OFFHEAP_PROBE_IN_PROGRESS', 'third'])
})

test('a pending probe keeps the process alive until it settles, and no longer', { skip }, async () => {
  const result = await runFixture('results.js', ['exitCode'])
  assert.deepStrictEqual([result.code, result.signal, result.stdout], [0, null, '"pending"\n{"value":"late"}\n'])
})

test('wrong arguments are refused before anything happens', async () => {
  for (const wrong of [undefined, null, NaN, 1, 'x', {}, []]) {
    await assert.rejects(probe(wrong), { code: 'ERR_INVALID_ARG_TYPE' })
  }
  const fn = () => 1
  for (const wrong of [null, NaN, -1, 0, 1.5, Infinity, 2 ** 31, 2 ** 53]) {
    await assert.rejects(probe(fn, { timeoutMs: wrong }), { code: wrong === null ? 'ERR_INVALID_ARG_TYPE' : 'ERR_OUT_OF_RANGE' })
  }
  for (const wrong of [null, 5, 'x', {}]) await assert.rejects(probe(fn, { signal: wrong }), { code: 'ERR_INVALID_ARG_TYPE' })
  await assert.rejects(probe(fn, { timeoutMS: 5 }), { code: 'ERR_INVALID_ARG_VALUE', message: /did you mean "timeoutMs"/ })
  for (const wrong of [null, 5, 'x', []]) await assert.rejects(probe(fn, wrong), { code: 'ERR_INVALID_ARG_TYPE' })
})

test('where there is no probe, support() says why and probe() refuses with ERR_OFFHEAP_UNSUPPORTED_PLATFORM', async () => {
  // GIVEN a process that looks like another runtime
  const result = await runFixture('unsupported.js')
  assert.deepStrictEqual([result.code, result.signal], [0, null], result.stderr)
  for (const [runtime, { probe: { available, reason }, code }] of Object.entries(result.said)) {
    assert.strictEqual(available, false)
    assert.match(reason, new RegExp(runtime, 'i'))
    assert.strictEqual(code, 'ERR_OFFHEAP_UNSUPPORTED_PLATFORM')
  }
})

test('errors are OffheapErrors of this realm', { skip }, async () => {
  const controller = new AbortController()
  controller.abort()
  await assert.rejects(probe(() => 1, { signal: controller.signal }), (error) => error instanceof OffheapError && error.code === 'ERR_OFFHEAP_ABORTED')
})
