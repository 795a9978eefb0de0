'use strict'

// Lists that are held at both ends, chains whose links are several steps apart, and tables of numbers: each is one suspect.

const { test } = require('node:test')
const assert = require('node:assert')
const snapshots = require('../../../analysis.js')
const { inChild } = require('./helpers/real.js')
const { temporaryFolder } = require('./helpers/sketch.js')

test('lists held at both ends, promises, functions in scopes and tables of numbers are a suspect each, and one line', async (t) => {
  const out = inChild(temporaryFolder(t), `
    class Node_ { constructor (value) { this.value = value } }
    class LRU {
      add (value) {
        const node = new Node_(value)
        if (this.tail === undefined) this.head = node
        else { this.tail.next = node; node.prev = this.tail }
        this.tail = node
      }
    }
    const made = globalThis.made = { lru: new LRU(), codes: new Map(), latencies: [] }
    for (let n = 0; n < 3_300; n++) made.lru.add(n)
    let tail = made.first = new Promise(() => {})
    for (let n = 0; n < 5_500; n++) tail = tail.then(() => n)
    let last = () => 1
    for (let n = 0; n < 4_000; n++) { const before = last; last = () => before() + 1 }
    made.last = last
    for (let n = 0; n < 300_000; n++) { made.codes.set(n, n); made.latencies.push(n + 0.5) }
    gc(); snapshot(0)
  `)
  const { suspects } = await snapshots.analyzeHeapSnapshot(out(0), { top: 100 })
  const found = suspects.map(({ kind, text, path }) => `${kind}: ${text.replace(/[\d.]+ MB/, 'n MB')} (${path})`)

  for (const wanted of [
    /^long-chain: chain of 3300 Node_ objects, linked by (next and prev|prev and next) \(global\.made\.lru \(LRU\)\.(head|tail) \(Node_\)\)$/,
    /^long-chain: chain of 5500 Promise objects \(global\.made\.first \(Promise\)\)$/,
    /^long-chain: chain of 400\d Function objects \(global\.made\.last \(function .*\)\)$/,
    /^large-collection: Map with a table of n MB, mostly numbers or free \(global\.made\.codes \(Map\)\)$/,
    /^large-collection: Array with a table of n MB, mostly numbers or free \(global\.made\.latencies\)$/
  ]) assert.strictEqual(found.filter((line) => wanted.test(line)).length, 1, `${wanted}\n${found.join('\n')}`)
  // One structure is one suspect.
  assert.strictEqual(found.length, 5, found.join('\n'))
})
