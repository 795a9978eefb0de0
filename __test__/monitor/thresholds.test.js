'use strict'

const test = require('node:test')
const assert = require('node:assert')
const { runScript } = require('../helpers/child.js')

const MB = 2 ** 20

// Each in a process of its own: what one test leaves in the heap would be the next one's breach.
async function run (script) {
  const { code, signal, stderr, messages } = await runScript(script)
  assert.deepStrictEqual([code, signal], [0, null], stderr)
  return messages
}

test('real buffers cross an arrayBuffers threshold: two samples in a row, once, and again after they are gone', async () => {
  const messages = await run(`
    const fired = []
    const monitor = offheap.start({ sampleIntervalMs: 1e6, thresholds: { arrayBuffers: { above: '50MiB', cooldownMs: 0 } } })
    monitor.on('triggered', ({ sample, ...event }) => fired.push(event))
    const counts = []
    const step = () => { monitor.sample(); counts.push(fired.length) }
    ;(async () => {
      step()
      let kept = Buffer.alloc(60 * 2 ** 20)
      step(); step(); step(); step()
      kept = null
      await settledWhen('the buffers are freed', () => process.memoryUsage().arrayBuffers <= 10 * 2 ** 20)
      step()
      kept = Buffer.alloc(61 * 2 ** 20)
      step(); step()
      await send({ counts, fired, kept: kept.length })
      monitor.stop()
    })()
  `)
  const [{ counts, fired }] = messages
  assert.deepStrictEqual(counts, [0, 0, 1, 1, 1, 1, 1, 2])
  for (const event of fired) {
    const { valueBytes, metricBytes, at, ...rest } = event
    assert.deepStrictEqual(rest, { metric: 'arrayBuffers', kind: 'absolute', threshold: '50MiB', thresholdBytes: 50 * MB, snapshot: 'off' })
    assert.strictEqual(valueBytes, metricBytes)
    assert.ok(valueBytes >= 60 * MB && valueBytes < 65 * MB, String(valueBytes))
    assert.strictEqual(new Date(at).toISOString(), at)
  }
})

test('the timer samples, and keeps no process alive', async () => {
  const messages = await run(`
    const monitor = offheap.start({ sampleIntervalMs: 10, thresholds: { external: '50MiB' } })
    globalThis.kept = Buffer.alloc(60 * 2 ** 20)
    const alive = setInterval(() => {}, 1000)
    monitor.on('triggered', async ({ metric, sample }) => {
      await send([metric, sample === monitor.history().at(-1), monitor.history().length])
      // The monitor goes on; only this timer held the process.
      clearInterval(alive)
    })
  `)
  assert.deepStrictEqual(messages, [['external', true, 2]])
})

test('rss, heapUsed and external each see their own growth, absolute and as a percentage of their base', async () => {
  const messages = await run(`
    const limit = require('node:v8').getHeapStatistics().heap_size_limit
    const before = process.memoryUsage()
    const over = (metric, bytes) => before[metric] + bytes
    const percentOf = (bytes) => (100 * bytes / limit).toFixed(6) + '%'
    const monitor = offheap.start({ sampleIntervalMs: 1e6, thresholds: {
      rss: [over('rss', 100 * 2 ** 20), '100%'],
      heapUsed: [over('heapUsed', 40 * 2 ** 20), percentOf(over('heapUsed', 40 * 2 ** 20)), '100%'],
      external: over('external', 100 * 2 ** 20),
      arrayBuffers: over('arrayBuffers', 500 * 2 ** 20)
    } })
    const fired = []
    monitor.on('triggered', ({ metric, kind }) => fired.push(metric + ' ' + kind))
    monitor.sample(); monitor.sample()
    const seen = [[...fired]]
    globalThis.kept = [Buffer.alloc(120 * 2 ** 20, 1)]
    monitor.sample(); monitor.sample()
    seen.push(fired.splice(0))
    kept.push(Array.from({ length: 1e6 }, (_, index) => ({ index, next: { index } })))
    monitor.sample(); monitor.sample()
    seen.push(fired.splice(0))
    send(seen)
  `)
  assert.deepStrictEqual(messages, [[[], ['rss absolute', 'external absolute'], ['heapUsed absolute', 'heapUsed percentage']]])
})

test('growth fires on a leak, and not on Buffers that are allocated and released', async () => {
  const messages = await run(`
    // The test uses a clock of its own: on a busy machine, a timer can be late by the length of the window.
    const { performance } = require('node:perf_hooks')
    let now = performance.now()
    performance.now = () => now
    const monitor = offheap.start({ sampleIntervalMs: 20, thresholds: { arrayBuffers: { growth: '30MiB', overMs: 400 } } })
    const fired = []
    monitor.on('triggered', ({ kind, threshold, thresholdBytes, valueBytes, metricBytes }) => {
      fired.push([kind, threshold, thresholdBytes, valueBytes >= thresholdBytes, metricBytes > valueBytes])
    })
    let passing
    const kept = globalThis.kept = []
    function sample () {
      now += 20
      monitor.sample()
    }
    ;(async () => {
      for (let samples = 1; samples <= 80; samples++) {
        // 40 MB that are allocated and released, every four samples.
        if (samples % 4 === 0) {
          passing = undefined
          await settledWhen('the buffers are freed', () => process.memoryUsage().arrayBuffers <= 10 * 2 ** 20)
        } else passing ??= Buffer.alloc(40 * 2 ** 20)
        sample()
      }
      const comesAndGoes = fired.length
      while (fired.length === 0 && kept.length < 100) {
        kept.push(Buffer.alloc(4 * 2 ** 20))
        sample()
      }
      await send([comesAndGoes, fired])
      monitor.stop()
    })()
  `)
  assert.deepStrictEqual(messages, [[0, [['growth', { growth: '30MiB', overMs: 400 }, 30 * MB, true, true]]]])
})

test('forSamples, rearmBelow and cooldownMs reach the state machine, and a sample without the figure changes nothing', async () => {
  const messages = await run(`
    // Before anything loads it: figures of our own, for exact numbers.
    const file = require.resolve(root + '/lib/memory/memory.js')
    const figures = { rss: 1, heapUsed: 1, heapLimitBytes: 1000, machineTotalBytes: 1000 }
    for (const name of Object.keys(require.cache)) if (name.startsWith(root) && !name.endsWith('.node')) delete require.cache[name]
    require.cache[file] = { id: file, filename: file, loaded: true, exports: { memory: () => ({ ...figures }) } }
    const { start } = require(root)
    const fires = (threshold, values) => {
      const monitor = start({ sampleIntervalMs: 1e6, thresholds: { rss: threshold } })
      const at = []
      let index
      monitor.on('triggered', ({ valueBytes, thresholdBytes }) => at.push([index, valueBytes, thresholdBytes]))
      values.forEach((value, position) => { index = position; figures.rss = value; monitor.sample() })
      figures.rss = 1
      monitor.stop()
      return at
    }
    const up = { cooldownMs: 0, forSamples: 1 }
    send([
      fires({ above: 100, cooldownMs: 0 }, [100, 100, 94, 100, 100]),
      fires({ above: 100, cooldownMs: 0, forSamples: 3 }, [100, 100, 94, 100, 100, 100]),
      fires({ above: 100, ...up, rearmBelow: 50 }, [100, 94, 100, 49, 101]),
      fires({ above: '80%', ...up, rearmBelow: '50%' }, [800, 500, 800, 499, 801]),
      fires({ above: 100, forSamples: 1, cooldownMs: 1e9 }, [100, 1, 100]),
      fires({ above: 100, ...up }, [null, 100, null, undefined, NaN, 100, 94, 100]),
      fires(100, [100, null, 100, 1, 100, 100])
    ])
  `)
  assert.deepStrictEqual(messages, [[
    [[1, 100, 100], [4, 100, 100]],
    [[5, 100, 100]],
    [[0, 100, 100], [4, 101, 100]],
    [[0, 800, 800], [4, 801, 800]],
    [[0, 100, 100]],
    [[1, 100, 100], [7, 100, 100]],
    [[2, 100, 100]]
  ]])
})
