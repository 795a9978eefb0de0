'use strict'

const test = require('node:test')
const assert = require('node:assert')
const crypto = require('node:crypto')
const fs = require('node:fs')
const { allocExternal, externalAllocations, track } = require('../../..')
const { expectNoExternalGrowth } = require('../../../lib/faces/testing')
const { runChildForJson } = require('../../helpers/child.js')

const WRONG_NUMBERS = [null, NaN, -1, 1.5, Infinity, '5', {}, 2 ** 53]

const failure = (promise) => promise.then(() => assert.fail('nothing was found'), (error) => error)
const figure = ({ figures }, metric, label = null) => figures.find((each) => each.metric === metric && each.label === label)

test('a planted leak is found under its label, by its bytes and values per iteration', async () => {
  // GIVEN a function that keeps two tracked objects per call, and one of another label that it does not keep
  const kept = []
  const leaky = () => {
    kept.push(track({}, { label: 'leak', byteLength: 1_237 }), track({}, { label: 'leak', byteLength: 1 }))
    track(Buffer.alloc(5_003), { label: 'clean' })
  }

  // WHEN
  const error = await failure(expectNoExternalGrowth(leaky, { iterations: 10, warmup: 4 }))

  // THEN
  assert.ok(error instanceof Error)
  assert.strictEqual(error.name, 'OffheapError')
  assert.strictEqual(error.code, 'ERR_OFFHEAP_EXTERNAL_GROWTH')
  assert.strictEqual(error.message, [
    'External memory grew each time the function ran:',
    '  label "leak": +1238 bytes, 2 values per iteration (block 1: +12380 bytes, block 2: +12380 bytes, of 10 iterations each; tolerance 0 bytes)',
    '  after 4 calls to warm up, in each of 2 attempts',
    'Find what keeps it; if it is a cache, raise *warmup* until the cache is full',
    'Counted: tracked memory, and memory that V8 knows of; native memory that nothing declares is not counted (docs/testing.md)'
  ].join('\n'))
  assert.deepStrictEqual(figure(error.growth, 'trackedExternalBytes', 'leak'), {
    metric: 'trackedExternalBytes',
    label: 'leak',
    blockBytes: [12_380, 12_380],
    blockCounts: [20, 20],
    bytesPerIteration: 1_238,
    toleranceBytes: 0,
    grew: true
  })
  assert.strictEqual(figure(error.growth, 'trackedExternalBytes', 'clean').grew, false)
  assert.deepStrictEqual(figure(error.growth, 'trackedExternalBytes', 'clean').blockBytes, [0, 0])
  assert.deepStrictEqual({ iterations: error.growth.iterations, warmup: error.growth.warmup, attempts: error.growth.attempts }, { iterations: 10, warmup: 4, attempts: 2 })
  assert.strictEqual(kept.length, 2 * (4 + 4 * 10))
})

test('a leak of one byte in one call of a hundred is found', async () => {
  const kept = []
  let calls = 0
  const leaky = () => { if (++calls % 100 === 0) kept.push(track({}, { label: 'rare', byteLength: 1 })) }

  const error = await failure(expectNoExternalGrowth(leaky, { label: 'rare' }))

  assert.deepStrictEqual(figure(error.growth, 'trackedExternalBytes', 'rare').blockBytes, [1, 1])
  assert.strictEqual(error.growth.figures.length, 1)
})

test('the message says that only what is tracked was counted, where that is so', async () => {
  const kept = []
  const leaky = () => { kept.push(track({}, { label: 'counted', byteLength: 7 })) }
  for (const options of [{ label: 'counted' }, { metrics: ['trackedExternalBytes'] }]) {
    const { message } = await failure(expectNoExternalGrowth(leaky, { iterations: 5, ...options }))
    assert.match(message, /\nCounted: only tracked memory \(docs\/testing\.md\)$/)
  }
})

test('undeclared native memory of Node is not covered: retained hashes and open files pass', async () => {
  const kept = []
  const files = []
  const leaky = () => {
    kept.push(crypto.createHash('sha256').update('x'))
    files.push(fs.openSync(__filename))
  }
  const growth = await expectNoExternalGrowth(leaky, { iterations: 10 })
  for (const file of files) fs.closeSync(file)
  assert.strictEqual(kept.length, 30)
  assert.ok(growth.figures.every(({ grew }) => !grew))
})

test('a leak of untracked Buffers is found in the figures of V8', async () => {
  const kept = []

  const error = await failure(expectNoExternalGrowth(() => { kept.push(Buffer.alloc(100_003)) }, { iterations: 20 }))

  for (const metric of ['external', 'arrayBuffers', 'declaredExternalBytes']) {
    const { grew, blockBytes: [, second], toleranceBytes } = figure(error.growth, metric)
    assert.strictEqual(grew, true, metric)
    assert.ok(Math.abs(second - 20 * 100_003) <= toleranceBytes, `${metric}: ${second}`)
    assert.match(error.message, new RegExp(`^  ${metric}: \\+1000\\d\\d(\\.\\d)? bytes per iteration \\(block 1: \\+20`, 'm'))
  }
  assert.ok(error.growth.figures.every(({ metric, grew }) => metric !== 'trackedExternalBytes' || !grew))
  assert.strictEqual(kept.length, 10 + 4 * 20)
})

test('slices that pin slabs of the pool are found', async () => {
  const kept = []
  // Half of what is pooled at most: two or three share a slab.
  const leaky = () => { kept.push(Buffer.allocUnsafe((Buffer.poolSize >>> 1) - 1).subarray(0, 1)) }

  const error = await failure(expectNoExternalGrowth(leaky, { metrics: ['arrayBuffers'] }))

  assert.strictEqual(figure(error.growth, 'arrayBuffers').grew, true)
  assert.ok(kept.length > 0)
})

test('a leak of external Buffers is found under its label and in external', async () => {
  const kept = []

  const error = await failure(expectNoExternalGrowth(() => { kept.push(allocExternal(100_003, { label: 'native' })) },
    { iterations: 10, metrics: ['trackedExternalBytes', 'external'] }))

  assert.deepStrictEqual(figure(error.growth, 'trackedExternalBytes', 'native').blockBytes, [1_000_030, 1_000_030])
  assert.strictEqual(figure(error.growth, 'external').grew, true)
  assert.strictEqual(kept.length, 50)
})

test('clean code passes, and the figures come back', async () => {
  let calls = 0
  const growth = await expectNoExternalGrowth(async () => {
    calls++
    track(Buffer.alloc(10_007), { label: 'clean code' })
    allocExternal(10_009, { label: 'clean code' })
    await Promise.resolve()
  })

  assert.strictEqual(calls, 10 + 2 * 100)
  assert.deepStrictEqual({ ...growth, figures: undefined }, { iterations: 100, warmup: 10, attempts: 1, figures: undefined })
  assert.deepStrictEqual(figure(growth, 'trackedExternalBytes', 'clean code'), {
    metric: 'trackedExternalBytes',
    label: 'clean code',
    blockBytes: [0, 0],
    blockCounts: [0, 0],
    bytesPerIteration: 0,
    toleranceBytes: 0,
    grew: false
  })
  const slab = Buffer.allocUnsafe(1).buffer.byteLength
  assert.deepStrictEqual(['external', 'arrayBuffers', 'declaredExternalBytes'].map((metric) => figure(growth, metric).toleranceBytes), Array(3).fill(slab + 2_048))
  assert.strictEqual(externalAllocations().labels['clean code'].liveBytes, 0)
})

test('a cache that fills up in the first block is no leak', async () => {
  const cache = []
  const caching = () => { if (cache.length < 15) cache.push(track(Buffer.alloc(1_009), { label: 'cache' })) }

  const growth = await expectNoExternalGrowth(caching, { iterations: 10, warmup: 5, label: 'cache' })

  assert.deepStrictEqual(figure(growth, 'trackedExternalBytes', 'cache').blockBytes, [10_090, 0])
  assert.strictEqual(growth.attempts, 1)
})

test('a cache that is full only in the second block is no leak either: the second attempt is flat', async () => {
  const cache = []
  const caching = () => { if (cache.length < 20) cache.push(track(Buffer.alloc(1_009), { label: 'slow cache' })) }

  const growth = await expectNoExternalGrowth(caching, { iterations: 10, warmup: 5, label: 'slow cache' })

  assert.deepStrictEqual(figure(growth, 'trackedExternalBytes', 'slow cache').blockBytes, [0, 0])
  assert.strictEqual(growth.attempts, 2)
})

test('what grew in one attempt only is not reported beside a leak', async () => {
  const kept = []
  const keep = (label) => kept.push(track({}, { label, byteLength: 997 }))
  let calls = 0
  const leaky = () => {
    calls++
    keep('always')
    // The second block of each attempt, without a warm-up and with 5 iterations a block.
    if (calls > 5 && calls <= 10) keep('in the first attempt')
    if (calls > 15) keep('in the second attempt')
  }

  const error = await failure(expectNoExternalGrowth(leaky, { iterations: 5, warmup: 0, metrics: ['trackedExternalBytes'] }))

  assert.deepStrictEqual(error.growth.figures.filter(({ grew }) => grew).map(({ label }) => label), ['always'])
  assert.doesNotMatch(error.message, /attempt"/)
})

test('the test waits for memory that is released in steps, one garbage collection each', async () => {
  // GIVEN a function each of whose values is released by the finalizer of the one before, six values long
  const held = new Set()
  const registry = new FinalizationRegistry((next) => { held.delete(next) })
  const chained = () => {
    let next
    for (let link = 0; link < 6; link++) {
      const value = track({}, { label: 'chain', byteLength: 113 })
      if (next !== undefined) {
        held.add(next)
        registry.register(value, next)
      }
      next = value
    }
  }

  // WHEN it is measured from the first call on
  const growth = await expectNoExternalGrowth(chained, { iterations: 10, warmup: 0, label: 'chain' })

  // THEN no block has anything left of it
  assert.deepStrictEqual(figure(growth, 'trackedExternalBytes', 'chain').blockBytes, [0, 0])
  assert.strictEqual(held.size, 0)
})

test('toleranceBytes allows what it says and no byte more', async () => {
  const kept = []
  const leaky = () => { kept.push(track({}, { label: 'tolerated', byteLength: 101 })) }
  const options = { iterations: 10, warmup: 0, label: 'tolerated' }

  const growth = await expectNoExternalGrowth(leaky, { ...options, toleranceBytes: 1_010 })
  assert.deepStrictEqual(figure(growth, 'trackedExternalBytes', 'tolerated').blockBytes, [1_010, 1_010])
  await expectNoExternalGrowth(leaky, { ...options, toleranceBytes: { trackedExternalBytes: 1_010 } })

  const error = await failure(expectNoExternalGrowth(leaky, { ...options, toleranceBytes: 1_009 }))
  assert.match(error.message, /tolerance 1009 bytes\)/)
  await failure(expectNoExternalGrowth(leaky, { ...options, toleranceBytes: { external: 1_010 } }))
})

test('memory that shrinks is no growth', async () => {
  const kept = Array.from({ length: 100 }, () => track({}, { label: 'shrinking', byteLength: 103 }))

  const growth = await expectNoExternalGrowth(() => { kept.pop() }, { iterations: 10, warmup: 0, label: 'shrinking' })

  assert.deepStrictEqual(figure(growth, 'trackedExternalBytes', 'shrinking').blockBytes, [-1_030, -1_030])
})

test('what the function throws is passed through unchanged, whenever it does', async () => {
  const thrown = new RangeError('from the function under test')
  const kept = []

  for (const failing of [1, 5, 12, 23]) {
    let calls = 0
    const leaky = () => {
      kept.push(track({}, { label: 'throwing', byteLength: 107 }))
      if (++calls === failing) throw thrown
    }
    const error = await failure(expectNoExternalGrowth(leaky, { iterations: 10, warmup: 2 }))
    assert.strictEqual(error, thrown)
    assert.strictEqual(calls, failing)
  }
  assert.strictEqual(await failure(expectNoExternalGrowth(() => Promise.reject(thrown))), thrown)
  // Growth that the function itself found is its error too, and not one of this run.
  const nested = await failure(expectNoExternalGrowth(() => expectNoExternalGrowth(() => { throw thrown })))
  assert.strictEqual(nested, thrown)
})

test('a label that was never used is an error, because it would never grow', async () => {
  await assert.rejects(expectNoExternalGrowth(() => {}, { iterations: 1, warmup: 0, label: 'misspelt' }), {
    name: 'TypeError',
    code: 'ERR_INVALID_ARG_VALUE',
    message: /\*options\.label\*.*received "misspelt"/
  })
})

test('a label may have any name', async () => {
  const kept = []
  for (const label of ['__proto__', 'constructor', 'external', 'two words', '"']) {
    const error = await failure(expectNoExternalGrowth(() => { kept.push(track({}, { label, byteLength: 109 })) }, { iterations: 2, warmup: 0, label }))
    assert.deepStrictEqual(error.growth.figures.map((each) => [each.label, each.bytesPerIteration]), [[label, 109]])
  }
})

test('a figure that cannot be measured here is null, and an error when it was asked for', async () => {
  const result = await runChildForJson(`
    const { expectNoExternalGrowth } = require(${JSON.stringify(require.resolve('../../../lib/faces/testing'))})
    // As where there is no /proc.
    process.memoryUsage = () => { throw new Error('no /proc') }
    ;(async () => {
      const { figures } = await expectNoExternalGrowth(() => {}, { iterations: 1, warmup: 0 })
      const { code, message } = await expectNoExternalGrowth(() => {}, { metrics: ['arrayBuffers'] }).catch((error) => error)
      process.stdout.write(JSON.stringify({ figure: figures.find(({ metric }) => metric === 'arrayBuffers'), code, message }))
    })()
  `)

  assert.deepStrictEqual({ ...result.figure, toleranceBytes: 0 },
    { metric: 'arrayBuffers', label: null, blockBytes: null, blockCounts: null, bytesPerIteration: null, toleranceBytes: 0, grew: false })
  assert.strictEqual(result.code, 'ERR_OFFHEAP_UNSUPPORTED_PLATFORM')
  assert.match(result.message, /^arrayBuffers cannot be measured here/)
})

test('wrong arguments are refused before the function is called', async () => {
  const never = () => assert.fail('was called')
  const refuses = (options, code, text) => assert.rejects(expectNoExternalGrowth(never, options), (error) => {
    assert.strictEqual(error.code, code, `${JSON.stringify(options)}: ${error.message}`)
    assert.ok(error.message.includes(text), error.message)
    return true
  })

  for (const wrong of [undefined, null, 5, 'x', {}, Promise.resolve()]) {
    await assert.rejects(expectNoExternalGrowth(wrong), { code: 'ERR_INVALID_ARG_TYPE', message: /\*fn\*/ })
  }
  for (const wrong of [null, 5, 'x', []]) await refuses(wrong, 'ERR_INVALID_ARG_TYPE', '*options*')
  for (const wrong of WRONG_NUMBERS) {
    const code = typeof wrong === 'number' ? 'ERR_OUT_OF_RANGE' : 'ERR_INVALID_ARG_TYPE'
    await refuses({ iterations: wrong }, code, '*options.iterations*')
    await refuses({ warmup: wrong }, code, '*options.warmup*')
    // A string may be a size.
    await refuses({ toleranceBytes: { external: wrong } }, typeof wrong === 'string' ? 'ERR_INVALID_ARG_VALUE' : code, '*options.toleranceBytes.external*')
  }
  await refuses({ iterations: 0 }, 'ERR_OUT_OF_RANGE', '*options.iterations*')
  for (const wrong of [NaN, -1, 1.5, Infinity, 2 ** 53]) await refuses({ toleranceBytes: wrong }, 'ERR_OUT_OF_RANGE', '*options.toleranceBytes*')
  for (const wrong of [null, []]) await refuses({ toleranceBytes: wrong }, 'ERR_INVALID_ARG_TYPE', '*options.toleranceBytes*')
  await refuses({ toleranceBytes: '5' }, 'ERR_INVALID_ARG_VALUE', '*options.toleranceBytes*')
  await refuses({ toleranceBytes: { arrayBuffer: 5 } }, 'ERR_INVALID_ARG_VALUE', 'did you mean "arrayBuffers"?')
  await refuses({ label: '' }, 'ERR_INVALID_ARG_VALUE', '*options.label*')
  await refuses({ label: 5 }, 'ERR_INVALID_ARG_TYPE', '*options.label*')
  await refuses({ metrics: 'external' }, 'ERR_INVALID_ARG_TYPE', '*options.metrics*')
  await refuses({ metrics: [] }, 'ERR_INVALID_ARG_VALUE', '*options.metrics*')
  await refuses({ metrics: ['trackedExternalBytes', 'rss'] }, 'ERR_INVALID_ARG_VALUE', '*options.metrics[1]*')
  await refuses({ metrics: ['external'], label: 'x' }, 'ERR_INVALID_ARG_VALUE', '*options.label*')
  await refuses({ iteration: 5 }, 'ERR_INVALID_ARG_VALUE', 'did you mean "iterations"?')
})

test('the entry points of the package are the same functions, and requiring offheap/testing registers nothing', () => {
  assert.strictEqual(require('offheap/testing').expectNoExternalGrowth, expectNoExternalGrowth)
  assert.deepStrictEqual(Object.keys(require('offheap/testing')), ['expectNoBufferGrowth', 'expectNoExternalGrowth', 'expectNoAddonGrowth', 'gcUntil', 'matchers'])
  assert.strictEqual(typeof globalThis.expect, 'undefined')
})

test('offheap/jest extends the expect that is global', async () => {
  const result = await runChildForJson(`
    const extended = []
    globalThis.expect = Object.assign(() => {}, { extend: (matchers) => extended.push(Object.keys(matchers)) })
    const { matchers } = require('offheap/jest')
    process.stdout.write(JSON.stringify({ extended, names: Object.keys(matchers) }))
  `, { cwd: require('node:path').join(__dirname, '..', '..', '..') })

  assert.deepStrictEqual(result, { extended: [['toHaveNoBufferGrowth', 'toHaveNoExternalGrowth', 'toHaveNoAddonGrowth']], names: ['toHaveNoBufferGrowth', 'toHaveNoExternalGrowth', 'toHaveNoAddonGrowth'] })
})

test('offheap/vitest extends the expect that vitest exports', async () => {
  // GIVEN a stand-in for vitest, which is not installed here
  const source = 'export const extended = []; export const expect = { extend: (matchers) => extended.push(Object.keys(matchers)) }'
  const vitest = `data:text/javascript,${encodeURIComponent(source)}`
  const hook = `export const resolve = (name, context, next) => name === 'vitest' ? { url: ${JSON.stringify(vitest)}, shortCircuit: true } : next(name, context)`

  const result = await runChildForJson(`
    require('node:module').register(${JSON.stringify(`data:text/javascript,${encodeURIComponent(hook)}`)})
    ;(async () => {
      const { matchers } = await import('offheap/vitest')
      const { extended } = await import('vitest')
      process.stdout.write(JSON.stringify({ extended, names: Object.keys(matchers) }))
    })()
  `, { cwd: require('node:path').join(__dirname, '..', '..', '..') })

  assert.deepStrictEqual(result, { extended: [['toHaveNoBufferGrowth', 'toHaveNoExternalGrowth', 'toHaveNoAddonGrowth']], names: ['toHaveNoBufferGrowth', 'toHaveNoExternalGrowth', 'toHaveNoAddonGrowth'] })
})
