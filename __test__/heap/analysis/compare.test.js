'use strict'

const test = require('node:test')
const assert = require('node:assert')
const snapshots = require('../../../analysis.js')
const { root, runChildForJson } = require('../../helpers/child.js')
const { emptyFolder } = require('../../helpers/folder.js')
const { inChild } = require('./helpers/real.js')
const { Sketch, file, leakySketch, temporaryFolder } = require('./helpers/sketch.js')

test('two snapshots of one process are matched by id: new, deleted and what holds the new', async (t) => {
  // GIVEN a process that gains 4,812 sessions and loses 200 of another class between two snapshots
  const out = inChild(temporaryFolder(t), `
    class Session { constructor (user) { this.user = user } }
    class Passing {}
    globalThis.sessions = new Map([[0, new Session('first')]])
    globalThis.passing = Array.from({ length: 200 }, () => new Passing())
    gc()
    snapshot(0)
    for (let index = 1; index <= 4812; index++) sessions.set(index, new Session('user-' + index))
    passing = null
    gc()
    snapshot(1)
  `)
  // WHEN they are compared
  const result = await snapshots.compareHeapSnapshots(out(0), out(1), { top: 1000, paths: 3 })
  // THEN every one is accounted for
  assert.strictEqual(result.matchedById, true)
  assert.strictEqual(result.matchReason, null)
  const session = result.classes.find(({ name }) => name === 'Session')
  assert.strictEqual(session.newCount, 4812)
  assert.strictEqual(session.deletedCount, 0)
  assert.strictEqual(session.countDelta, 4812)
  assert.deepStrictEqual(session.paths.map(({ path, count }) => [path, count]), [['global.sessions (Map) entry (Session)', 4812]])
  assert.ok(session.retainedBytesDelta > 0)
  const passing = result.classes.find(({ name }) => name === 'Passing')
  assert.deepStrictEqual([passing.newCount, passing.deletedCount, passing.countDelta], [0, 200, -200])
  // The most grown class comes first.
  const growth = result.classes.map((row) => row.retainedBytesDelta)
  assert.deepStrictEqual(growth, growth.toSorted?.((a, b) => b - a) ?? [...growth].sort((a, b) => b - a))
})

test('snapshots of two processes are recognized, and compared by class and path', async (t) => {
  const make = (count) => `
    class Session { constructor (user) { this.user = user } }
    globalThis.sessions = new Map()
    for (let index = 0; index < ${count}; index++) sessions.set(index, new Session('user-' + (index * 7919 % 1000)))
    snapshot(0)
  `
  const before = inChild(temporaryFolder(t), make(100))(0)
  const after = inChild(temporaryFolder(t), `globalThis.shift = Array.from({ length: 5000 }, (_, index) => 'text ' + index * 3); ${make(1100)}`)(0)

  const result = await snapshots.compareHeapSnapshots(before, after, { top: 1000 })

  assert.strictEqual(result.matchedById, false)
  assert.match(result.matchReason, /ids/)
  const session = result.classes.find(({ name }) => name === 'Session')
  assert.deepStrictEqual([session.newCount, session.deletedCount, session.countBefore, session.countAfter, session.countDelta], [1000, 0, 100, 1100, 1000])
  assert.deepStrictEqual(session.paths.map(({ path, count }) => [path, count]), [['global.sessions (Map) entry (Session)', 1000]])
})

test('a snapshot compared with itself differs in nothing', async (t) => {
  const snapshot = file(t, leakySketch().json())
  const result = await snapshots.compareHeapSnapshots(snapshot, snapshot)

  assert.strictEqual(result.matchedById, true)
  assert.strictEqual(result.classCount, 0)
})

test('an id that stands for an object of another class is one deleted and one new', async (t) => {
  const draw = (name) => {
    const sketch = new Sketch()
    const global = sketch.node('object', 'global', 10)
    sketch.edge(0, 'shortcut', '1', global).edge(global, 'property', 'it', sketch.node('object', name, 33))
    return file(t, sketch.json())
  }
  const { classes } = await snapshots.compareHeapSnapshots(draw('Before'), draw('After'))

  assert.deepStrictEqual(classes.map((row) => [row.name, row.newCount, row.newBytes, row.deletedCount, row.deletedBytes]), [
    ['After', 1, 33, 0, 0],
    ['Before', 0, 0, 1, 33]
  ])
})

test('two default snapshots of one process give lower bounds of new objects, and with a baseline exact deleted ones', { skip: require('../../../index.js').support().probe.available ? false : 'no probe here' }, async (t) => {
  for (const baseline of [false, true]) {
    const { first, second } = await runChildForJson(`
      const { start, writeHeapSnapshot } = require(${JSON.stringify(root)})
      class Session { constructor (id) { this.id = id } }
      class Old {}
      globalThis.old = Array.from({ length: 321 }, () => new Old())
      globalThis.sessions = []
      if (${baseline}) start({ baseline: true }).stop()
      const add = (count) => { for (let i = 0; i < count; i++) sessions.push(new Session(i)) }
      add(500)
      ;(async () => {
        const options = { directory: process.argv[1] }
        const { file: first } = await writeHeapSnapshot(options)
        add(4_812)
        // As many others take their places.
        old = Array.from({ length: 321 }, () => new Old())
        const { file: second } = await writeHeapSnapshot(options)
        console.log(JSON.stringify({ first, second }))
      })()
    `, { args: [emptyFolder(t)] })
    const { matchedById, matchReason, classes } = await snapshots.compareHeapSnapshots(first, second, { top: 1000 })

    assert.strictEqual(matchedById, false)
    assert.match(matchReason, /by itself/)
    const session = classes.find(({ name }) => name === 'Session')
    assert.deepStrictEqual([session.newCount, session.deletedCount, session.countDelta], [4_812, 0, 4_812])
    const old = classes.find(({ name }) => name === 'Old')
    if (baseline) assert.deepStrictEqual([old.newCount, old.deletedCount, old.countDelta], [321, 321, 0])
  }
})
