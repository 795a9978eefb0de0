'use strict'

const test = require('node:test')
const assert = require('node:assert')
const fs = require('node:fs')
const path = require('node:path')
const { once } = require('node:events')
const { start, writeHeapSnapshot } = require('../..')
const { requestSnapshot } = require('../../lib/heap/snapshot-file/write.js')
const { snapshotSettings } = require('../../lib/heap/snapshot-file/settings.js')
const { emptyFolder } = require('../helpers/folder.js')
const { runScript } = require('../helpers/child.js')

const HOUR_MS = 3_600_000

/** A Monitor that is over its thresholds at once, sampled by hand. */
function monitorOf (t, options) {
  const monitor = start({ sampleIntervalMs: 1_000_000, ...options })
  t.after(() => monitor.stop())
  const events = []
  for (const name of ['triggered', 'snapshotWritten', 'error']) monitor.on(name, (event) => events.push([name, event]))
  return { monitor, events }
}

function breach (monitor) {
  monitor.sample()
  monitor.sample()
}

/** Waits until no snapshot is being written in this thread, by asking for one that fails. */
async function idle (t) {
  const settings = snapshotSettings('options', { directory: emptyFolder(t) })
  for (;;) {
    const { code } = await requestSnapshot(settings, { write: async () => { throw new Error('only asking') } }).catch((error) => error)
    if (code === 'ERR_OFFHEAP_SNAPSHOT_WRITE_FAILED') return
    assert.strictEqual(code, 'ERR_OFFHEAP_SNAPSHOT_IN_PROGRESS')
    await new Promise(setImmediate)
  }
}

test('the short form writes one snapshot when its threshold is reached, and the event names the threshold', async (t) => {
  const directory = emptyFolder(t)
  const { monitor, events } = monitorOf(t, { thresholds: { rss: '1KB' }, snapshot: { directory, gzip: true } })

  breach(monitor)
  const [written] = await once(monitor, 'snapshotWritten')
  breach(monitor)

  assert.deepStrictEqual(events.map(([name]) => name), ['triggered', 'snapshotWritten'])
  const trigger = events[0][1]
  assert.deepStrictEqual([trigger.metric, trigger.snapshot, trigger.thresholdBytes], ['rss', 'started', 1_000])
  assert.strictEqual(written.trigger, trigger)
  assert.match(written.file, /-rss\.heapsnapshot\.gz$/)
  assert.strictEqual(written.reason, 'rss')
  assert.deepStrictEqual(fs.readdirSync(directory), [path.basename(written.file)])
})

test('in a process of its own, a growing service gets its snapshot from the timer alone', async (t) => {
  const directory = emptyFolder(t)
  const { code, stderr, messages } = await runScript(`
    const kept = globalThis.kept = []
    const monitor = offheap.start({
      sampleIntervalMs: 20,
      thresholds: { heapUsed: { above: '100%', action: 'event' }, arrayBuffers: { growth: '20MB', overMs: 200 } },
      snapshot: { directory: process.argv[1] }
    })
    const leak = setInterval(() => kept.push(Buffer.alloc(2 ** 20)), 2)
    monitor.once('snapshotWritten', async ({ file, trigger, pauseMs }) => {
      clearInterval(leak)
      await send([file, trigger.metric, trigger.kind, pauseMs > 0])
      monitor.stop()
    })
  `, { args: [directory] })
  assert.strictEqual(code, 0, stderr)
  const [[file, ...rest]] = messages
  assert.deepStrictEqual(rest, ['arrayBuffers', 'growth', true])
  assert.match(file, /-arrayBuffers-growth\.heapsnapshot$/)
  assert.doesNotThrow(() => JSON.parse(fs.readFileSync(file, 'utf8')))
})

test('thresholds alone write nothing; with snapshot options they do', async (t) => {
  const directory = emptyFolder(t)
  const silent = monitorOf(t, { thresholds: { rss: 1 } })
  breach(silent.monitor)
  const off = monitorOf(t, { thresholds: { rss: 1 }, snapshot: false })
  breach(off.monitor)
  const writing = monitorOf(t, { thresholds: { rss: 1 }, snapshot: { directory } })
  breach(writing.monitor)
  await once(writing.monitor, 'snapshotWritten')
  assert.deepStrictEqual([silent, off, writing].map(({ events }) => events[0][1].snapshot), ['off', 'off', 'started'])
  assert.strictEqual(fs.readdirSync(directory).length, 1)
})

test('several thresholds at once, and a second one during the first, make one snapshot', async (t) => {
  const directory = emptyFolder(t)
  const { monitor, events } = monitorOf(t, { thresholds: { rss: [1, 2], heapUsed: { above: 1, forSamples: 3 } }, snapshot: { directory } })
  breach(monitor)
  monitor.sample()
  await once(monitor, 'snapshotWritten')
  assert.deepStrictEqual(events.map(([name, event]) => [name, event.metric, event.snapshot]), [
    ['triggered', 'rss', 'started'],
    ['triggered', 'rss', 'in-progress'],
    ['triggered', 'heapUsed', 'in-progress'],
    ['snapshotWritten', undefined, undefined]
  ])
  assert.strictEqual(fs.readdirSync(directory).length, 1)
})

test('within the cooldown a threshold fires and writes nothing', async (t) => {
  const directory = emptyFolder(t)
  const { monitor, events } = monitorOf(t, { thresholds: { rss: [1, { above: 1, forSamples: 3 }] }, snapshot: { directory, cooldownMs: HOUR_MS } })
  breach(monitor)
  await once(monitor, 'snapshotWritten')
  monitor.sample()
  assert.deepStrictEqual(events.map(([name, event]) => [name, event.snapshot]), [['triggered', 'started'], ['snapshotWritten', undefined], ['triggered', 'cooldown']])
})

test('maxPerDay limits the snapshots of 24 hours', async (t) => {
  const directory = emptyFolder(t)
  const { monitor, events } = monitorOf(t, { thresholds: { rss: [1, 2, 3].map((samples) => ({ above: 1, forSamples: samples })) }, snapshot: { directory, cooldownMs: 0, maxPerDay: 2 } })
  for (let sample = 1; sample <= 3; sample++) {
    monitor.sample()
    if (sample < 3) await once(monitor, 'snapshotWritten')
  }
  assert.deepStrictEqual(events.filter(([name]) => name === 'triggered').map(([, event]) => event.snapshot), ['started', 'started', 'daily-limit'])
  assert.strictEqual(fs.readdirSync(directory).length, 2)
})

test('a restart does not reset the limits: complete and incomplete snapshots in the directory count', async (t) => {
  const name = (hoursAgo) => `heap-${new Date(Date.now() - hoursAgo * HOUR_MS).toISOString().replaceAll(/[-:]/g, '')}-pid1-thread0-rss.heapsnapshot`
  const cases = [
    ['one within the cooldown', [name(0.2)], 'cooldown'],
    ['one that was never finished: the service died of it', [`${name(0.2)}.pid1-00000000-1.partial`], 'cooldown'],
    ['three of three today', [name(3), name(10), name(23)], 'daily-limit'],
    ['three, one of them yesterday', [name(3), name(10), name(25)], 'started'],
    ['one with a clock that was ahead', [name(-48)], 'cooldown'],
    ['files of others', ['notes.txt'], 'started']
  ]
  for (const [story, names, expected] of cases) {
    const directory = emptyFolder(t)
    for (const file of names) fs.writeFileSync(path.join(directory, file), '')
    const { monitor, events } = monitorOf(t, { thresholds: { rss: 1 }, snapshot: { directory, cooldownMs: HOUR_MS, maxPerDay: 3, maxFiles: 9 } })
    breach(monitor)
    assert.deepStrictEqual(events.map(([, event]) => event.snapshot), [expected], story)
    monitor.stop()
    await idle(t)
  }
})

test('a snapshot by signal does not delay the one of a threshold', async (t) => {
  const directory = emptyFolder(t)
  const { monitor, events } = monitorOf(t, { thresholds: { rss: 1 }, snapshot: { processSignal: 'SIGHUP', directory, cooldownMs: HOUR_MS, maxPerDay: 1 } })
  // Not SIGUSR2: where the test runner runs this file on Node 24 and later, Node writes a diagnostic report at that signal.
  process.emit('SIGHUP', 'SIGHUP')
  await once(monitor, 'snapshotWritten')
  breach(monitor)
  await once(monitor, 'snapshotWritten')
  assert.deepStrictEqual(events.filter(([name]) => name === 'triggered').map(([, event]) => event.snapshot), ['started'])
  assert.strictEqual(fs.readdirSync(directory).length, 2)
})

test('the defaults keep five files', async (t) => {
  const directory = emptyFolder(t)
  for (let day = 1; day <= 7; day++) fs.writeFileSync(path.join(directory, `heap-2025010${day}T000000.000Z-pid1-thread0-rss.heapsnapshot`), '')
  const { monitor } = monitorOf(t, { thresholds: { rss: 1 }, snapshot: { directory } })
  breach(monitor)
  const [{ removed }] = await once(monitor, 'snapshotWritten')
  assert.deepStrictEqual(removed.map((file) => path.basename(file).slice(5, 13)), ['20250101', '20250102', '20250103'])
  assert.strictEqual(fs.readdirSync(directory).length, 5)
})

test('a failed snapshot is an error event, counts for the cooldown, and throws nothing into the service', async (t) => {
  const directory = path.join(emptyFolder(t), 'file')
  fs.writeFileSync(directory, '')
  const { monitor, events } = monitorOf(t, { thresholds: { rss: [1, { above: 1, forSamples: 3 }] }, snapshot: { directory } })
  breach(monitor)
  const [error] = await once(monitor, 'error')
    .catch((thrown) => [thrown]) // once() rejects with an 'error' event
  assert.strictEqual(error.code, 'ERR_OFFHEAP_SNAPSHOT_PATH_REFUSED')
  monitor.sample()
  assert.deepStrictEqual(events.map(([name, event]) => [name, event.snapshot]), [['triggered', 'started'], ['error', undefined], ['triggered', 'cooldown']])
})

test('a snapshot that another caller is writing to another destination is an error event', async (t) => {
  const { monitor, events } = monitorOf(t, { thresholds: { rss: { above: 1, forSamples: 1 } }, snapshot: { directory: emptyFolder(t) } })
  const other = writeHeapSnapshot({ directory: emptyFolder(t) })
  monitor.sample()
  await other
  assert.deepStrictEqual(events.map(([, event]) => event.code ?? event.snapshot), ['started', 'ERR_OFFHEAP_SNAPSHOT_IN_PROGRESS'])
})

test('stop() aborts a snapshot that is being written, and leaves no file and no event', async (t) => {
  const directory = emptyFolder(t)
  const { monitor, events } = monitorOf(t, { thresholds: { rss: 1 }, snapshot: { directory } })
  breach(monitor)
  monitor.stop()
  // The same destination is refused until the one given up is gone.
  await assert.rejects(writeHeapSnapshot({ directory }), { code: 'ERR_OFFHEAP_SNAPSHOT_IN_PROGRESS' })
  await idle(t)
  assert.deepStrictEqual(events.map(([name]) => name), ['triggered'])
  assert.deepStrictEqual(fs.readdirSync(directory), [])
})
