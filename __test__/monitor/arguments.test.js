'use strict'

const test = require('node:test')
const assert = require('node:assert')
const { once } = require('node:events')
const path = require('node:path')
const { Worker } = require('node:worker_threads')
const binding = require('../../lib/base/load.js')
const { start } = require('../..')

const LIST = [undefined, null, NaN, -1, 1.5, Infinity, '5', {}, 2 ** 53]
const ARGUMENT = /^ERR_(INVALID_ARG_TYPE|INVALID_ARG_VALUE|OUT_OF_RANGE)$/

function refusal (options) {
  const before = process.listenerCount('SIGUSR2')
  let error
  assert.throws(() => start(options).stop(), (thrown) => { error = thrown; return true }, JSON.stringify(options))
  // Nothing has happened: no native state, no handler.
  assert.strictEqual(binding.detectorCount(), 0)
  assert.strictEqual(process.listenerCount('SIGUSR2'), before)
  return error
}

test('every option refuses the list of wrong values, before anything happens', () => {
  const right = { thresholds: [undefined, LIST[7]], snapshot: [undefined, LIST[7]] }
  for (const option of ['sampleIntervalMs', 'historyLength', 'thresholds', 'snapshot', 'snapshot.processSignal']) {
    for (const value of LIST) {
      if (value === undefined || right[option]?.includes(value)) continue
      const given = option === 'snapshot.processSignal' ? { snapshot: { processSignal: value } } : { [option]: value }
      const { code, message } = refusal({ snapshot: { processSignal: 'SIGUSR2' }, ...given })
      assert.match(code, ARGUMENT, `${option}: ${String(value)}: ${message}`)
      assert.ok(message.includes(`*options.${option}*`), message)
    }
  }
})

test('every threshold refuses the list of wrong values', () => {
  const places = [
    (value) => ({ rss: value }),
    (value) => ({ rss: ['1MB', value] }),
    (value) => ({ rss: { above: value } }),
    (value) => ({ rss: { growth: value, overMs: 60000 } }),
    (value) => ({ rss: { growth: '1MB', overMs: value } }),
    (value) => ({ rss: { above: '1MB', forSamples: value } }),
    (value) => ({ rss: { above: '1MB', cooldownMs: value } }),
    (value) => ({ rss: { above: '1MB', rearmBelow: value } }),
    (value) => ({ rss: { above: '1MB', action: value } })
  ]
  for (const place of places) {
    for (const value of LIST) {
      const thresholds = place(value)
      if (value === undefined && thresholds.rss?.above === '1MB') continue
      for (const snapshot of [undefined, false, true, {}]) assert.match(refusal({ thresholds, snapshot }).code, ARGUMENT)
    }
  }
})

test('the codes are the right ones', () => {
  const cases = [
    [null, 'ERR_INVALID_ARG_TYPE'],
    [{ threshold: {} }, 'ERR_INVALID_ARG_VALUE'],
    [{ thresholds: { rsss: 1 } }, 'ERR_INVALID_ARG_VALUE'],
    [{ thresholds: { rss: '0%' } }, 'ERR_OUT_OF_RANGE'],
    [{ thresholds: { rss: '150%' } }, 'ERR_OUT_OF_RANGE'],
    [{ thresholds: { rss: '900 megabytes' } }, 'ERR_INVALID_ARG_VALUE'],
    [{ thresholds: { rss: [] } }, 'ERR_INVALID_ARG_VALUE'],
    [{ thresholds: { rss: { above: 1, growth: 1, overMs: 60000 } } }, 'ERR_INVALID_ARG_VALUE'],
    [{ thresholds: { rss: { above: 1, overMs: 60000 } } }, 'ERR_INVALID_ARG_VALUE'],
    [{ thresholds: { rss: { growth: '10%', overMs: 60000 } } }, 'ERR_INVALID_ARG_VALUE'],
    [{ thresholds: { rss: { growth: '10MB', overMs: 9999 } } }, 'ERR_OUT_OF_RANGE'],
    [{ thresholds: { rss: { above: '80%', rearmBelow: '81%' } } }, 'ERR_OUT_OF_RANGE'],
    [{ thresholds: { rss: { above: '80%', rearmBelow: '1MB' } } }, 'ERR_INVALID_ARG_VALUE'],
    [{ thresholds: { rss: { above: '80%', forSample: 2 } } }, 'ERR_INVALID_ARG_VALUE'],
    [{ thresholds: { rss: { above: '80%', action: 'snapshot' } }, snapshot: false }, 'ERR_INVALID_ARG_VALUE'],
    [{ thresholds: { rss: { above: '80%', action: 'diagnose' } } }, 'ERR_INVALID_ARG_VALUE'],
    [{ thresholds: { mallocFreeBytes: '1GB', mallocUndividedBytes: '1GB' } }, 'ERR_INVALID_ARG_VALUE'],
    [{ thresholds: { heapLimitBytes: '1GB' } }, 'ERR_INVALID_ARG_VALUE'],
    [{ snapshotAt: { rss: '80%' } }, 'ERR_INVALID_ARG_VALUE'],
    [{ thresholds: new Map([['rss', 1]]) }, 'ERR_INVALID_ARG_TYPE'],
    [{ thresholds: { rss: new Set([1]) } }, 'ERR_INVALID_ARG_TYPE'],
    [{ signal: 'SIGUSR2' }, 'ERR_INVALID_ARG_VALUE'],
    [{ snapshot: { file: 'x' } }, 'ERR_INVALID_ARG_VALUE'],
    [{ snapshot: { maxPerDay: 0 } }, 'ERR_OUT_OF_RANGE'],
    [{ snapshot: { cooldownMs: -1 } }, 'ERR_OUT_OF_RANGE'],
    [{ sampleIntervalMs: 9 }, 'ERR_OUT_OF_RANGE'],
    [{ historyLength: 0 }, 'ERR_OUT_OF_RANGE']
  ]
  for (const [options, code] of cases) assert.strictEqual(refusal(options).code, code, JSON.stringify(options))
  for (const [wrong, meant] of [['heapUsd', 'heapUsed'], ['mallocFree', 'mallocFreeBytes'], ['pinnedBytes', 'bufferPool.pinnedBytes'], ['unexplained', 'unexplainedBytes'], ['trackedExternal', 'trackedExternalBytes']]) {
    assert.ok(refusal({ thresholds: { [wrong]: 1 } }).message.includes(`did you mean "${meant}"`), wrong)
  }
  for (const [wrong, meant] of [['signal', 'processSignal'], ['dir', 'directory'], ['timeout', 'timeoutMs']]) {
    assert.ok(refusal({ snapshot: { [wrong]: 1 } }).message.includes(`did you mean "${meant}"`), wrong)
  }
  assert.match(refusal({ thresholds: { rss: 'much' } }).message, /\*options\.thresholds\.rss\*/)
  for (const [share, percentage] of [[0.8, '80%'], ['80', '80%'], [0.285, '28.5%'], [{ above: 0.5 }, '50%'], ['512', '512MB']]) {
    const { code, message } = refusal({ thresholds: { rss: share } })
    assert.strictEqual(code, 'ERR_INVALID_ARG_VALUE')
    assert.ok(message.includes(`did you mean "${percentage}"?`), message)
  }
})

test('signals that would harm the service, or never arrive, are refused', () => {
  for (const signal of ['SIGUSR1', 'SIGKILL', 'SIGSTOP', 'SIGTERM', 'SIGINT', 'SIGSEGV', 'SIGABRT', 'SIGPROF', 'SIGCHLD', 'SIGNONSENSE', 'sigusr2', 'toString']) {
    assert.strictEqual(refusal({ snapshot: { processSignal: signal } }).code, 'ERR_INVALID_ARG_VALUE', signal)
  }
})

test('in a worker thread a signal is refused, because it would never arrive; the rest works there', async () => {
  const worker = new Worker(`
    const { parentPort } = require('node:worker_threads')
    const { start } = require(${JSON.stringify(path.join(__dirname, '..', '..'))})
    let code
    try { start({ snapshot: { processSignal: 'SIGUSR2' } }) } catch (error) { code = error.code }
    const monitor = start({ thresholds: { rss: 1 } })
    let fired = 0
    monitor.on('triggered', () => { fired++ })
    monitor.sample(); monitor.sample(); monitor.sample()
    parentPort.postMessage({ code, fired })
  `, { eval: true })
  const [message] = await once(worker, 'message')
  assert.deepStrictEqual(message, { code: 'ERR_OFFHEAP_UNSUPPORTED_PLATFORM', fired: 1 })
  await worker.terminate()
})

test('a threshold that could never fire is refused at the start', () => {
  const { memory } = require('../../lib/memory/memory.js')
  const { parseThresholds, refuseUnmeasurable } = require('../../lib/monitor/thresholds.js')
  const nothing = Object.fromEntries(Object.keys(memory()).map((name) => [name, null]))
  const refuse = (thresholds, reading) => refuseUnmeasurable(parseThresholds('options.thresholds', thresholds, { sampleIntervalMs: 5000, action: 'event' }), reading)
  const code = 'ERR_OFFHEAP_METRIC_UNAVAILABLE'
  for (const metric of ['rss', 'heapUsed', 'external', 'arrayBuffers', 'trackedExternalBytes', 'cgroupWorkingSetBytes', 'bufferPool.pinnedBytes']) {
    for (const limit of [1, '50%', { growth: 1, overMs: 60000 }]) assert.throws(() => refuse({ [metric]: limit }, nothing), { code }, metric)
  }
  const noCgroup = { ...nothing, rss: 1, heapUsed: 1, cgroupWorkingSetBytes: 1, heapLimitBytes: 0 }
  for (const metric of ['rss', 'heapUsed', 'cgroupWorkingSetBytes']) {
    refuse({ [metric]: 1 }, noCgroup)
    assert.throws(() => refuse({ [metric]: '50%' }, noCgroup), { code }, metric)
  }
  // Each of the three bases of rss is enough.
  for (const base of ['cgroupLimitBytes', 'containerTotalBytes', 'machineTotalBytes']) refuse({ rss: '50%' }, { ...noCgroup, [base]: 2 })
})
