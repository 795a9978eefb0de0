'use strict'

// Listeners that Node adds: normal on its own streams, a leak on a signal that lives on.

const test = require('node:test')
const assert = require('node:assert')
const snapshots = require('../../../analysis.js')
const { inChild } = require('./helpers/real.js')
const { temporaryFolder } = require('./helpers/sketch.js')

async function textsAfter (t, script) {
  const out = inChild(temporaryFolder(t), script)
  const { suspects } = await snapshots.analyzeHeapSnapshot(out(0), { top: 1000 })
  return suspects.filter(({ kind }) => kind === 'many-listeners').map(({ text, path }) => `${path}: ${text}`)
}

test('the standard streams of a process with twelve workers are no suspects', async (t) => {
  assert.deepStrictEqual(await textsAfter(t, `
    const { Worker } = require('node:worker_threads')
    let online = 0
    for (let index = 0; index < 12; index++) {
      new Worker('setInterval(() => {}, 1e8)', { eval: true }).on('online', () => {
        if (++online < 12) return
        snapshot(0)
        process.exit()
      })
    }
  `), [])
})

test('a signal that is handed to a hundred requests or events is a suspect', async (t) => {
  const found = await textsAfter(t, `
    const http = require('node:http')
    const { EventEmitter, once, setMaxListeners } = require('node:events')
    const made = globalThis.made = { requests: new AbortController(), events: new AbortController(), emitter: new EventEmitter() }
    setMaxListeners(0, made.requests.signal, made.events.signal, made.emitter)
    const server = http.createServer(() => {}).listen(0, () => {
      let arrived = 0
      server.on('request', () => {
        if (++arrived < 110) return
        snapshot(0)
        process.exit()
      })
      for (let index = 0; index < 110; index++) {
        fetch('http://127.0.0.1:' + server.address().port, { signal: made.requests.signal }).catch(() => {})
        once(made.emitter, 'event ' + index, { signal: made.events.signal }).catch(() => {})
      }
    })
  `)

  assert.deepStrictEqual(found.map((text) => text.replace('(EventTarget)', '(AbortSignal)')).sort(), [
    'global.made.emitter (EventEmitter): EventEmitter with 110 listeners for "error"',
    'global.made.events (AbortController).#signal (AbortSignal): AbortSignal with 110 listeners for "abort"',
    'global.made.requests (AbortController).#signal (AbortSignal): AbortSignal with 110 listeners for "abort"'
  ])
})
