'use strict'

const test = require('node:test')
const assert = require('node:assert')
const path = require('node:path')
const { start } = require('../..')
const { fixtureAddon } = require('../helpers/fixture-addon.js')
const { runScript } = require('../helpers/child.js')

const { file, skip } = fixtureAddon('everything')
const name = skip === undefined ? path.basename(file) : undefined
const interval = { sampleIntervalMs: 1e6 }

async function run (script) {
  const { code, signal, stderr, messages } = await runScript(`const file = ${JSON.stringify(file)}, name = ${JSON.stringify(name)}; ${script}`)
  assert.deepStrictEqual([code, signal], [0, null], stderr)
  return messages
}

test('a threshold on the references of an addon fires at its count, and names the addon', { skip }, async () => {
  const [{ counts, events, before, during, after }] = await run(`
    const before = offheap.addons().rows.map(({ coverage }) => coverage)
    const monitor = offheap.start({ sampleIntervalMs: 1e6, thresholds: { references: [{ addon: name, above: 100, cooldownMs: 0 }, { addon: 'another', above: 1 }, { above: 101, forSamples: 1 }] } })
    const addon = require(file)
    const events = []
    const counts = []
    monitor.on('triggered', ({ sample, at, ...event }) => events.push(event))
    const step = () => { monitor.sample(); counts.push(events.length) }
    const first = addon.references(99, 1)
    step(); step()
    addon.reference(addon, 0)
    step(); step(); step()
    for (let i = 0; i < 60; i++) addon.deleteReference(first + i)
    step()
    addon.references(61, 1)
    step(); step()
    const during = monitor.history().at(-1).addons.filter((each) => each.name === name)
    monitor.stop()
    send({ counts, events, before, during, after: offheap.addons().rows.map(({ coverage }) => coverage) })
  `)

  assert.deepStrictEqual(counts, [0, 0, 0, 1, 1, 1, 2, 3])
  assert.deepStrictEqual(events, [
    { metric: 'references', addon: name, kind: 'absolute', threshold: { addon: name, above: 100, cooldownMs: 0 }, thresholdCount: 100, valueCount: 100, metricCount: 100, snapshot: 'off' },
    { metric: 'references', addon: null, kind: 'absolute', threshold: { above: 101, forSamples: 1 }, thresholdCount: 101, valueCount: 101, metricCount: 101, snapshot: 'off' },
    { metric: 'references', addon: name, kind: 'absolute', threshold: { addon: name, above: 100, cooldownMs: 0 }, thresholdCount: 100, valueCount: 101, metricCount: 101, snapshot: 'off' }
  ])
  assert.deepStrictEqual(during, [{ name, references: { liveCount: 101, outlivedCount: 0 }, externalBytes: 0, adjustedExternalBytes: 0 }])
  // Watched from the Monitor's start to its stop.
  assert.deepStrictEqual([before, after], [[], ['none']])
})

test('a threshold on an addon\'s external memory counts external Buffers and declared memory, in all threads', { skip }, async () => {
  const [events] = await run(`
    const { Worker } = require('node:worker_threads')
    const events = []
    const monitor = offheap.start({ sampleIntervalMs: 1e6, thresholds: { addonExternalBytes: [{ addon: name, above: '1MB', forSamples: 1 }, { above: '80%' }] } })
    monitor.on('triggered', ({ metric, addon, valueBytes, thresholdBytes, kind }) => events.push({ metric, addon, valueBytes, thresholdBytes, kind }))
    const addon = require(file)
    globalThis.kept = [addon.externalBuffer(500_009), addon.externalArrayBuffer(100_003)]
    addon.adjust(200_001)
    const worker = new Worker('globalThis.kept = require(' + JSON.stringify(file) + ').externalBuffer(300_007); const { parentPort } = require("node:worker_threads"); parentPort.postMessage(1); parentPort.once("message", () => {})', { eval: true })
    monitor.sample()
    worker.once('message', () => {
      monitor.sample()
      addon.adjust(-200_001)
      worker.postMessage('end')
      worker.once('exit', () => { monitor.stop(); send(events) })
    })
  `)

  assert.deepStrictEqual(events, [{ metric: 'addonExternalBytes', addon: name, kind: 'absolute', valueBytes: 1_100_020, thresholdBytes: 1_000_000 }])
})

test('growth of references is growth of their floor', { skip }, async () => {
  const [events] = await run(`
    const addon = require(file)
    const events = []
    const monitor = offheap.start({ sampleIntervalMs: 10, thresholds: { references: { addon: name, growth: 50, overMs: 200 } } })
    monitor.on('triggered', async ({ kind, threshold, thresholdCount, valueCount, metricCount }) => {
      clearInterval(leak)
      monitor.stop()
      await send({ kind, threshold, thresholdCount, enough: valueCount >= 50 && metricCount >= valueCount })
    })
    const leak = setInterval(() => addon.references(25, 1), 10)
  `)

  assert.deepStrictEqual(events, { kind: 'growth', threshold: { addon: name, growth: 50, overMs: 200 }, thresholdCount: 50, enough: true })
})

test('samples have no addons while they are not watched', async () => {
  const monitor = start(interval)
  const { addons } = monitor.sample()
  monitor.stop()

  assert.strictEqual(addons, null)
})

test('thresholds on addons are checked', () => {
  const refused = (thresholds, code, message) => assert.throws(() => start({ ...interval, thresholds }), { code, message })
  refused({ references: '80%' }, 'ERR_INVALID_ARG_TYPE', /references\.above/)
  refused({ references: 0 }, 'ERR_OUT_OF_RANGE', /references\.above/)
  refused({ references: { above: 1.5 } }, 'ERR_OUT_OF_RANGE', /references\.above/)
  refused({ references: {} }, 'ERR_INVALID_ARG_VALUE', /either \*above\* or \*growth\*/)
  refused({ references: { above: 5, growth: 5, overMs: 1e9 } }, 'ERR_INVALID_ARG_VALUE', /either \*above\* or \*growth\*/)
  refused({ references: { growth: '5MB', overMs: 1e9 } }, 'ERR_INVALID_ARG_TYPE', /references\.growth/)
  refused({ references: { growth: 5 } }, 'ERR_INVALID_ARG_TYPE', /references\.overMs/)
  refused({ references: { above: 5, rearmBelow: '3%' } }, 'ERR_INVALID_ARG_TYPE', /references\.rearmBelow/)
  refused({ references: { above: 5, rearmBelow: 6 } }, 'ERR_OUT_OF_RANGE', /references\.rearmBelow/)
  refused({ references: { addon: 5, above: 5 } }, 'ERR_INVALID_ARG_TYPE', /references\.addon/)
  refused({ references: { addon: '', above: 5 } }, 'ERR_INVALID_ARG_VALUE', /references\.addon/)
  refused({ references: { adon: 'x', above: 5 } }, 'ERR_INVALID_ARG_VALUE', /adon/)
  refused({ addonExternalBytes: { addon: 'x' } }, 'ERR_INVALID_ARG_VALUE', /either \*above\* or \*growth\*/)
  refused({ addonExternalBytes: { addon: 'x', above: '5 apples' } }, 'ERR_INVALID_ARG_VALUE', /addonExternalBytes\.above/)
  refused({ rss: { addon: 'x', above: 5 } }, 'ERR_INVALID_ARG_VALUE', /addon/)
})
