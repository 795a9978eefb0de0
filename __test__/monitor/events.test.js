'use strict'

const test = require('node:test')
const assert = require('node:assert')
const EventEmitter = require('node:events')
const { start } = require('../..')
const { runScript } = require('../helpers/child.js')
const { emptyFolder } = require('../helpers/folder.js')

function monitorOf (t, options) {
  const monitor = start({ sampleIntervalMs: 1_000_000, ...options })
  t.after(() => monitor.stop())
  return monitor
}

test('a Monitor is an EventEmitter, and sample() returns the sample that its listeners get', (t) => {
  const monitor = monitorOf(t)
  const seen = []
  monitor.once('sample', (reading) => seen.push(reading))
  const first = monitor.sample()
  const second = monitor.sample()
  assert.ok(monitor instanceof EventEmitter)
  assert.deepStrictEqual(seen, [first])
  assert.strictEqual(seen[0], first)
  assert.notStrictEqual(first, second)
  assert.ok(first.rss > 1_000_000 && first.heapUsed > 100_000)
  assert.strictEqual(new Date(first.at).toISOString(), first.at)
})

test('the history is bounded, oldest first, and a copy', (t) => {
  const monitor = monitorOf(t, { historyLength: 3 })
  const readings = Array.from({ length: 5 }, () => monitor.sample())
  const history = monitor.history()
  assert.deepStrictEqual(history.map((reading) => readings.indexOf(reading)), [2, 3, 4])
  history.length = 0
  assert.strictEqual(monitor.history().length, 3)
})

test('a listener that throws or rejects becomes an error event, and the other listeners are still called', async (t) => {
  const monitor = monitorOf(t, { thresholds: { rss: { above: 1, forSamples: 1 } } })
  const heard = []
  const errors = []
  const thrown = new Error('thrown by a listener')
  const rejected = new Error('rejected by a listener')
  monitor.on('sample', () => { throw thrown })
  monitor.on('sample', () => heard.push('sample'))
  monitor.on('triggered', async () => { throw rejected })
  monitor.on('triggered', () => heard.push('triggered'))
  monitor.on('error', (error) => errors.push(error))

  monitor.sample()
  await new Promise(setImmediate)

  assert.deepStrictEqual(heard, ['sample', 'triggered'])
  assert.deepStrictEqual(errors.map(({ code, cause }) => [code, cause]), [['ERR_OFFHEAP_LISTENER_FAILED', thrown], ['ERR_OFFHEAP_LISTENER_FAILED', rejected]])
})

test('a listener may throw or reject with anything: a Symbol, an object without prototype, a getter that throws', async (t) => {
  const monitor = monitorOf(t)
  const values = [Symbol('thrown'), Object.create(null), { get message () { throw new Error('hostile') } }, null]
  const causes = []
  for (const value of values) {
    monitor.on('sample', () => { throw value })
    monitor.on('sample', async () => { throw value })
  }
  monitor.on('error', ({ cause }) => causes.push(cause))

  monitor.sample()
  await new Promise(setImmediate)

  assert.deepStrictEqual(new Set(causes), new Set(values))
  assert.strictEqual(causes.length, 2 * values.length)
})

test('stopping in a listener takes effect at once', (t) => {
  const monitor = monitorOf(t, { thresholds: { rss: [1, 2, 3].map((above) => ({ above, forSamples: 1 })) } })
  let triggered = 0
  monitor.on('triggered', () => { triggered++; monitor.stop() })
  monitor.sample()
  assert.strictEqual(triggered, 1)
  const other = monitorOf(t, { thresholds: { rss: { above: 1, forSamples: 1 } } })
  other.on('sample', () => other.stop())
  // Not by an assertion in the listener: a Monitor reports what a listener throws, and goes on.
  let afterStop = 0
  other.on('triggered', () => { afterStop++ })
  other.sample()
  assert.strictEqual(afterStop, 0)
})

test('without an error listener the service lives on, with one warning per code', async () => {
  const { code, signal, stderr, messages } = await runScript(`
    const warnings = []
    process.on('warning', ({ name, code, detail }) => warnings.push([name, code, typeof detail]))
    process.on('uncaughtException', (error) => { send(['uncaught', error.message]); process.exitCode = 1 })
    process.on('unhandledRejection', (error) => { send(['unhandled', error.message]); process.exitCode = 1 })
    const monitor = offheap.start({ sampleIntervalMs: 10, thresholds: { rss: { above: 1, forSamples: 1 } }, snapshot: { directory: '/dev/null' } })
    let samples = 0
    monitor.on('sample', () => { throw new Error('no') })
    monitor.on('sample', async () => { throw new Error('no') })
    monitor.on('sample', async () => {
      if (++samples < 5) return
      monitor.stop()
      clearInterval(alive)
      await send(warnings)
    })
    const alive = setInterval(() => {}, 1000)
  `)
  assert.deepStrictEqual([code, signal], [0, null], stderr)
  assert.deepStrictEqual(messages, [[
    // When it starts, and when a snapshot is due.
    ['OffheapWarning', 'ERR_OFFHEAP_SNAPSHOT_WRITE_FAILED', 'undefined'],
    ['OffheapWarning', 'ERR_OFFHEAP_LISTENER_FAILED', 'string'],
    ['OffheapWarning', 'ERR_OFFHEAP_SNAPSHOT_PATH_REFUSED', 'undefined']
  ]])
})

test('in a program that has frozen Error.prototype nothing is thrown out of a timer, and a snapshot goes on', async (t) => {
  const { code, signal, stderr, messages } = await runScript(`
    process.on('uncaughtException', (error) => { send(['uncaught', error.message]); process.exitCode = 1 })
    process.on('unhandledRejection', (error) => { send(['unhandled', error.message]); process.exitCode = 1 })
    Object.freeze(Error.prototype)
    const monitor = offheap.start({ sampleIntervalMs: 10 })
    let samples = 0
    monitor.on('sample', () => { samples++; throw new Error('no') })
    const alive = setInterval(async () => {
      if (samples < 3) return
      clearInterval(alive)
      monitor.stop()
      const { mode } = await offheap.writeHeapSnapshot({ directory: process.argv[1], mode: 'in-process', onProgress () { throw new Error('a broken bar') } })
      await send(mode)
    }, 5)
  `, { args: [emptyFolder(t)] })
  assert.deepStrictEqual([code, signal], [0, null], stderr)
  assert.deepStrictEqual(messages, ['in-process'])
})

test('an error listener that throws is a warning and not a loop', async () => {
  const { code, stderr, messages } = await runScript(`
    process.on('warning', ({ code }) => send(code))
    const monitor = offheap.start({ sampleIntervalMs: 1e6 })
    monitor.on('sample', () => { throw new Error('one') })
    monitor.on('error', () => { throw new Error('two') })
    monitor.sample()
    monitor.sample()
    setImmediate(() => setImmediate(() => {}))
  `)
  assert.strictEqual(code, 0, stderr)
  assert.deepStrictEqual(messages, ['ERR_OFFHEAP_LISTENER_FAILED'])
})

test('two Monitors at once are independent', (t) => {
  const fired = []
  const monitors = [0, 1].map((index) => {
    const monitor = monitorOf(t, { thresholds: { rss: 1 } })
    monitor.on('triggered', () => fired.push(index))
    return monitor
  })
  monitors[0].sample()
  monitors[1].sample()
  monitors[1].sample()
  assert.deepStrictEqual(fired, [1])
  monitors[1].stop()
  monitors[0].sample()
  assert.deepStrictEqual(fired, [1, 0])
})
