'use strict'

const test = require('node:test')
const assert = require('node:assert')
const fs = require('node:fs')
const { once } = require('node:events')
const { Worker } = require('node:worker_threads')
const path = require('node:path')
const binding = require('../../lib/base/load.js')
const { start } = require('../..')
const { emptyFolder } = require('../helpers/folder.js')
const { root, runScript } = require('../helpers/child.js')

test('stop() leaves no timer, no signal handler and no native state, any number of times', async () => {
  const { code, stderr, messages } = await runScript(`
    const binding = require(root + '/lib/base/load.js')
    // The files of start() are loaded at its first call. What loading them, and an addon made with napi-rs, leaves to be collected has a turn of its
    // own (docs/register.md): not in between.
    offheap.start().stop()
    setImmediate(() => {
      global.gc()
      setImmediate(() => setImmediate(compare))
    })
    function compare () {
      // Timers that keep no process alive are in no list of Node's.
      const timers = require('node:timers')
      const { setInterval, clearInterval } = timers
      const ticking = new Set()
      timers.setInterval = (...args) => { const timer = setInterval(...args); ticking.add(timer); return timer }
      timers.clearInterval = (timer) => { ticking.delete(timer); clearInterval(timer) }
      const state = () => ({ timers: ticking.size, resources: process.getActiveResourcesInfo().sort(), signals: process.listenerCount('SIGUSR2'), exits: process.listenerCount('exit'), detectors: binding.detectorCount() })
      const before = state()
      const monitors = Array.from({ length: 5 }, () => offheap.start({ thresholds: { rss: { above: 1, action: 'event' } }, snapshot: { processSignal: 'SIGUSR2' } }))
      monitors.forEach((monitor) => { monitor.sample(); monitor.sample() })
      const during = state()
      monitors.forEach((monitor) => { monitor.stop(); monitor.stop() })
      const after = state()
      send({ before, during, after })
    }
  `)
  assert.strictEqual(code, 0, stderr)
  const [{ before, during, after }] = messages
  assert.deepStrictEqual([during.timers, during.signals, during.detectors], [5, 5, 5])
  assert.deepStrictEqual(after, before)
})

test('sample() of a stopped Monitor returns a sample, and does nothing else', () => {
  const monitor = start({ sampleIntervalMs: 1_000_000, thresholds: { rss: { above: 1, forSamples: 1 } } })
  monitor.stop()
  // Not by an assertion in a listener: a Monitor reports what a listener throws, and goes on.
  const heard = []
  monitor.on('sample', () => heard.push('sample')).on('triggered', () => heard.push('triggered'))
  assert.ok(monitor.sample().rss > 0)
  assert.deepStrictEqual(heard, [])
  assert.deepStrictEqual(monitor.history(), [])
})

test('a process with a running Monitor, with a signal, ends by itself', async () => {
  const run = await runScript("offheap.start({ sampleIntervalMs: 10, thresholds: { rss: '100%' }, snapshot: { processSignal: 'SIGUSR2' } })")
  assert.deepStrictEqual([run.code, run.signal], [0, null], run.stderr)
})

test('Symbol.dispose stops it where there is one', { skip: typeof Symbol.dispose !== 'symbol' && 'no Symbol.dispose on this Node' }, () => {
  const monitor = start({ thresholds: { rss: 1 } })
  assert.strictEqual(binding.detectorCount(), 1)
  monitor[Symbol.dispose]()
  assert.strictEqual(binding.detectorCount(), 0)
})

test('where there is no Symbol.dispose, as in contexts of node:vm before Node 24, everything else works', async () => {
  const { code, stderr, messages } = await runScript(`
    for (const name of Object.keys(require.cache)) if (name.startsWith(root) && !name.endsWith('.node')) delete require.cache[name]
    const RealSymbol = Symbol
    const { dispose, ...statics } = Object.getOwnPropertyDescriptors(RealSymbol)
    globalThis.Symbol = Object.defineProperties((...args) => RealSymbol(...args), statics)
    const { start } = require(root)
    // Its files are loaded at the first call.
    start().stop()
    globalThis.Symbol = RealSymbol
    const monitor = start()
    const prototype = Object.getPrototypeOf(monitor)
    monitor.sample()
    monitor.stop()
    send([monitor.history().length, 'undefined' in prototype, Object.getOwnPropertySymbols(prototype).length])
  `)
  assert.strictEqual(code, 0, stderr)
  assert.deepStrictEqual(messages, [[1, false, 0]])
})

test('a signal writes a snapshot, limits or not, beside the handlers of others and for each Monitor', async (t) => {
  const directories = [emptyFolder(t), emptyFolder(t)]
  const { code, signal, stderr, messages } = await runScript(`
    let theirs = 0
    process.on('SIGUSR2', () => { theirs++ })
    const written = []
    const options = (directory) => ({ sampleIntervalMs: 1e6, snapshot: { processSignal: 'SIGUSR2', directory, cooldownMs: 1e9, maxPerDay: 1 } })
    const [first, second] = process.argv.slice(1).map((directory) => offheap.start(options(directory)))
    const next = (monitor) => new Promise((resolve) => monitor.once('snapshotWritten', ({ reason, trigger, file }) => resolve([reason, trigger, file])))
    const failed = (monitor) => new Promise((resolve) => monitor.once('error', (error) => resolve(error.code)))
    const alive = setInterval(() => {}, 1000)
    ;(async () => {
      // One at a time in a thread: the second hears that the first is at it.
      const both = [next(first), failed(second)]
      process.kill(process.pid, 'SIGUSR2')
      written.push(...await Promise.all(both))
      first.stop()
      // The second one goes on, a second time within its cooldown.
      const again = next(second)
      process.kill(process.pid, 'SIGUSR2')
      written.push(await again)
      second.stop()
      // Ours are gone, theirs is not.
      const last = new Promise((resolve) => process.once('SIGUSR2', resolve))
      process.kill(process.pid, 'SIGUSR2')
      await last
      await send({ written, theirs, listeners: process.listenerCount('SIGUSR2') })
      clearInterval(alive)
    })()
  `, { args: directories })
  assert.deepStrictEqual([code, signal], [0, null], stderr)
  const [{ written, theirs, listeners }] = messages
  assert.deepStrictEqual([theirs, listeners], [3, 1])
  assert.deepStrictEqual([written[0].slice(0, 2), written[1], written[2].slice(0, 2)], [['SIGUSR2', null], 'ERR_OFFHEAP_SNAPSHOT_IN_PROGRESS', ['SIGUSR2', null]])
  assert.deepStrictEqual(directories.map((directory) => fs.readdirSync(directory).length), [1, 1])
  assert.match(written[2][2], /-SIGUSR2\.heapsnapshot$/)
})

test('each worker has its own Monitors, and its termination affects no other', async (t) => {
  const workers = await Promise.all([0, 1].map(async () => {
    const worker = new Worker(`
      const { parentPort } = require('node:worker_threads')
      const { start } = require(${JSON.stringify(path.join(__dirname, '..', '..'))})
      const monitor = start({ sampleIntervalMs: 10, thresholds: { rss: 1 } })
      monitor.once('triggered', () => parentPort.postMessage('triggered'))
      setInterval(() => {}, 1000)
    `, { eval: true })
    await once(worker, 'message')
    return worker
  }))
  const monitor = start({ sampleIntervalMs: 1_000_000, thresholds: { rss: 1 } })
  t.after(() => monitor.stop())
  assert.strictEqual(binding.detectorCount(), 1)
  await Promise.all(workers.map((worker) => worker.terminate()))
  let triggered = 0
  monitor.on('triggered', () => { triggered++ })
  monitor.sample()
  monitor.sample()
  assert.strictEqual(triggered, 1)
})

test('under the permission model a Monitor warns of its directory only when it is not granted', async (t) => {
  const directory = path.join(emptyFolder(t), 'made', 'later')
  const flag = process.allowedNodeEnvironmentFlags.has('--permission') ? '--permission' : '--experimental-permission'
  const flags = [flag, '--allow-addons', `--allow-fs-read=${root}`, `--allow-fs-read=${directory}`, '--no-warnings']
  const script = `
    process.on('warning', ({ code }) => { if (code?.startsWith('ERR_OFFHEAP')) send(code) })
    offheap.start({ snapshot: { processSignal: 'SIGUSR2', directory: process.argv[1] } }).stop()
    setImmediate(() => {})
  `
  const granted = await runScript(script, { execArgv: [...flags, `--allow-fs-write=${directory}${path.sep}*`], args: [directory] })
  const denied = await runScript(script, { execArgv: flags, args: [directory] })

  assert.deepStrictEqual([granted.code, granted.messages], [0, []], granted.stderr)
  assert.deepStrictEqual([denied.code, denied.messages], [0, ['ERR_OFFHEAP_SNAPSHOT_WRITE_FAILED']], denied.stderr)
})
