'use strict'

const test = require('node:test')
const assert = require('node:assert')
const snapshots = require('../../../analysis.js')
const { inChild } = require('./helpers/real.js')
const { temporaryFolder } = require('./helpers/sketch.js')

test('a real snapshot of this Node gives exact counts and a path in words', async (t) => {
  // GIVEN 1,234 objects of one class in a Map, each with a Buffer of 5,432 bytes of its own
  const out = inChild(temporaryFolder(t), `
    class Oddity { constructor () { this.bytes = Buffer.alloc(5432) } }
    globalThis.kept = new Map()
    for (let index = 0; index < 1234; index++) kept.set(index, new Oddity())
    snapshot(0)
  `)
  // WHEN it is analyzed
  const result = await snapshots.analyzeHeapSnapshot(out(0), { filter: 'Oddity', top: 1000 })
  // THEN they are all there, under the Map that holds them
  const row = result.classes.find(({ name }) => name === 'Oddity')
  assert.strictEqual(row.count, 1234)
  assert.strictEqual(row.paths[0].path, 'global.kept (Map) entry (Oddity)')
  assert.strictEqual(row.paths[0].count, 1234)
  assert.ok(row.retainedBytes >= 1234 * 5432, String(row.retainedBytes))
  const holder = result.backingStores.paths.find(({ path }) => path === 'global.kept (Map) entry (Oddity).bytes (Buffer)')
  assert.deepStrictEqual([holder.count, holder.bytes], [1234, 1234 * 5432])
})

test('the value of a WeakMap is retained by its key', async (t) => {
  const out = inChild(temporaryFolder(t), `
    class Key {}
    class Value { constructor () { this.text = 'v'.repeat(100) + Math.random() } }
    globalThis.key = new Key()
    globalThis.weak = new WeakMap([[key, new Value()]])
    snapshot(0)
  `)
  const { classes } = await snapshots.analyzeHeapSnapshot(out(0), { filter: 'Value', top: 1000 })
  const { paths } = classes.find(({ name }) => name === 'Value')
  const { object } = await snapshots.analyzeHeapSnapshot(out(0), { id: paths[0].exampleId })

  assert.match(object.path, /value in WeakMap/)
  assert.strictEqual(object.dominators[0].className, 'Key')
})

test('closures of this Node stand under their file and line', async (t) => {
  const out = inChild(temporaryFolder(t), `
    const vm = require('node:vm')
    globalThis.made = []
    const make = new vm.Script('\\n\\n(kept) => function planted () { return kept }', { filename: 'planted.js' }).runInThisContext()
    for (let index = 0; index < 321; index++) made.push(make({ index }))
    snapshot(0)
  `)
  const { closures } = await snapshots.analyzeHeapSnapshot(out(0), { top: 1000 })
  const { file, line, count } = closures.find(({ name }) => name === 'planted')

  assert.deepStrictEqual({ file, line, count }, { file: 'planted.js', line: 3, count: 321 })
})

test('an emitter with too many listeners is a suspect', async (t) => {
  const out = inChild(temporaryFolder(t), `
    const { EventEmitter } = require('node:events')
    globalThis.bus = new EventEmitter().setMaxListeners(0)
    for (let index = 0; index < 57; index++) bus.on('tick', () => index)
    snapshot(0)
  `)
  const { suspects } = await snapshots.analyzeHeapSnapshot(out(0), { top: 1000 })
  const { text, path } = suspects.find(({ kind }) => kind === 'many-listeners')

  assert.strictEqual(text, 'EventEmitter with 57 listeners for "tick"')
  assert.strictEqual(path, 'global.bus (EventEmitter)')
})
