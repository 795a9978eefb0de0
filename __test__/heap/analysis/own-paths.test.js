'use strict'

// What a service keeps is shown on the service's own path, however much of offheap is beside it.

const test = require('node:test')
const assert = require('node:assert')
const path = require('node:path')
const { analyzeHeapSnapshot, compareHeapSnapshots } = require('../../../analysis.js')
const { support } = require('../../..')
const { root, runChildForJson } = require('../../helpers/child.js')
const { emptyFolder } = require('../../helpers/folder.js')
const { testHeldByOffheap } = require('./helpers/held-by-offheap.js')

test('no path to what a service leaks leads through its Monitor, the registration, or the profile', async (t) => {
  const paths = await runChildForJson(`
    const { start, writeHeapSnapshot } = require(${JSON.stringify(root)})
    const { analyzeHeapSnapshot } = require(${JSON.stringify(path.join(root, 'analysis.js'))})
    class LeakedSession { constructor (id) { this.id = id; this.data = Buffer.alloc(100) } }
    // Each in a scope of its own: the service holds its sessions deep inside, and a listener sees them at once.
    function serve (sessions) {
      const service = { a: { b: { c: { d: { e: { f: { sessions } } } } } } }
      return setInterval(() => service, 1e6)
    }
    function observe (monitor, sessions) {
      for (const name of ['sample', 'triggered', 'error']) monitor.on(name, () => sessions.size)
    }
    function begin () {
      const sessions = new Map(Array.from({ length: 50 }, (_, id) => [id, new LeakedSession(id)]))
      const monitor = start({ sampleIntervalMs: 1e6, snapshot: { processSignal: 'SIGUSR2' }, trackBuffers: true })
      observe(monitor, sessions)
      return [monitor, serve(sessions)]
    }
    const [monitor, interval] = begin()
    ;(async () => {
      const { file } = await writeHeapSnapshot({ directory: process.argv[1], mode: 'in-process' })
      const { classes } = await analyzeHeapSnapshot(file, { filter: 'LeakedSession', paths: 3 })
      monitor.stop()
      clearInterval(interval)
      console.log(JSON.stringify(classes[0].paths.map(({ path }) => path)))
    })()
  `, { args: [emptyFolder(t)], execArgv: ['-r', path.join(root, 'lib', 'faces', 'register.js')] })

  assert.ok(paths.length > 0)
  for (const text of paths) {
    assert.doesNotMatch(text, /Monitor|offheap|Registration/)
    assert.match(text, /sessions/)
  }
})

test('offheap is in no line of growth, no class and no path, however busy it is', { skip: support().probe.available ? false : 'no probe here' }, async (t) => {
  // GIVEN a service with all of offheap on, which leaks, and two snapshots of it by children
  const [before, after] = await runChildForJson(`
    const { start, track, writeHeapSnapshot } = require(${JSON.stringify(root)})
    class LeakedSession { constructor (id) { this.id = id; this.data = Buffer.alloc(1_000) } }
    function serve () {
      const sessions = new Map()
      globalThis.handle = (id) => {
        const session = new LeakedSession(id)
        sessions.set('session-' + id, session)
        track(session.data, { label: 'session' })
      }
    }
    serve()
    const monitor = start({ sampleIntervalMs: 10, snapshot: { processSignal: 'SIGUSR2' }, trackBuffers: true })
    ;(async () => {
      const options = { directory: process.argv[1] }
      const { file: before } = await writeHeapSnapshot(options)
      for (let id = 0; id < 3_000; id++) handle(id)
      for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setTimeout(resolve, 10))
      const { file: after } = await writeHeapSnapshot(options)
      monitor.stop()
      console.log(JSON.stringify([before, after]))
    })()
  `, { args: [emptyFolder(t)], execArgv: ['-r', path.join(root, 'lib', 'faces', 'register.js')] })

  const { classes, growth } = await compareHeapSnapshots(before, after, { top: 1000, paths: 3 })

  // THEN the leak is the first line, by the service's own path
  const [first] = growth
  assert.deepStrictEqual([first.className, first.count], ['LeakedSession', 3_000])
  assert.match(first.path, /^global\.handle \(function.* → variable sessions \(Map\) entry\["session-…"\] \(LeakedSession\)$/)
  // AND nothing of offheap's is shown
  const OURS = /Monitor|Registration|AddonWatch|BufferTracking|OffheapError|offheap|writeHeapSnapshot|sites|threadState|\/lib\//
  for (const { name } of classes) assert.doesNotMatch(name, OURS)
  // What waits for the snapshot itself, a few hundred bytes, is the service's, and has no other path.
  for (const { path } of growth.filter(({ bytes }) => bytes >= 1_000)) assert.doesNotMatch(path ?? '', OURS)
  for (const { path } of classes.flatMap(({ paths }) => paths)) assert.doesNotMatch(path, OURS)
  // AND so it is in one snapshot
  const analysis = await analyzeHeapSnapshot(after, { top: 1000 })
  for (const { name } of analysis.classes) assert.doesNotMatch(name, OURS)
})

test('the global object holds nothing of offheap\'s that leads to the modules of the service', async () => {
  const found = await runChildForJson(`
    const held = globalThis[Symbol.for('offheap.registered')]
    const seen = [held instanceof WeakRef, held.deref() === require(${JSON.stringify(path.join(root, 'lib', 'faces', 'register.js'))})]
    // Nothing but offheap itself keeps it from being collected.
    for (const file of Object.keys(require.cache)) delete require.cache[file]
    setTimeout(() => {
      gc()
      console.log(JSON.stringify([...seen, held.deref() !== undefined]))
    }, 1)
  `, { execArgv: ['--expose-gc', '-r', path.join(root, 'lib', 'faces', 'register.js')] })
  assert.deepStrictEqual(found, [true, true, true])
})

test('no suspect is of offheap itself: neither its profile of 1,200 call sites, nor its contexts of 2,000 requests', async (t) => {
  const suspects = await runChildForJson(`
    const { createRouteContext, start, trackBuffers, writeHeapSnapshot } = require(${JSON.stringify(root)})
    const { analyzeHeapSnapshot } = require(${JSON.stringify(path.join(root, 'analysis.js'))})
    const monitor = start({ sampleIntervalMs: 1e6 })
    trackBuffers({ sampleIntervalBytes: 1, maxOverhead: 1 })
    const parts = []
    for (let index = 0; index < 1200; index++) parts.push(new Function('return Buffer.alloc(70).length\\n//# sourceURL=site-' + index + '.js')())
    const timers = []
    for (let index = 0; index < 2000; index++) {
      const context = createRouteContext('/route-' + index)
      context.run(() => { timers.push(setInterval(() => {}, 1e8)) })
    }
    // What a program has its Monitor call is the program's.
    monitor.setMaxListeners(0)
    for (let index = 0; index < 20; index++) monitor.on('sample', () => index)
    ;(async () => {
      const { file } = await writeHeapSnapshot({ directory: process.argv[1], mode: 'in-process' })
      const { suspects } = await analyzeHeapSnapshot(file, { top: 1000 })
      console.log(JSON.stringify(suspects.map(({ kind, text }) => kind + ': ' + text)))
      process.exit()
    })()
  `, { args: [emptyFolder(t)], execArgv: ['-r', path.join(root, 'lib', 'faces', 'register.js')] })

  assert.deepStrictEqual(suspects.filter((text) => !text.startsWith('many-timers')), [
    'many-listeners: Monitor with 20 listeners for "sample"'
  ])
})

// own-paths.slow.test.js has the other cases.
testHeldByOffheap({ always: true })
