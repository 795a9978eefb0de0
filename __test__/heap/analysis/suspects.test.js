'use strict'

// Each pattern is made for real, in one process, and its snapshot is analyzed once: what is a suspect, and what beside it is none.

const { after, before, test } = require('node:test')
const assert = require('node:assert')
const snapshots = require('../../../analysis.js')
const { inChild } = require('./helpers/real.js')
const { temporaryFolder } = require('./helpers/sketch.js')

let suspects
let classes

const of = (kind) => suspects.filter((suspect) => suspect.kind === kind)
const texts = (kind) => of(kind).map(({ text }) => text).sort()
// AsyncContextFrame is what AsyncLocalStorage is made of from Node 24 on.
const hasFrames = Number(process.versions.node.split('.')[0]) >= 24

before(async () => {
  const out = inChild(temporaryFolder({ after }), `
    const { EventEmitter, setMaxListeners } = require('node:events')
    const { AsyncLocalStorage } = require('node:async_hooks')
    const inspector = require('node:inspector')
    const net = require('node:net')
    const { PassThrough } = require('node:stream')
    const made = globalThis.made = {}
    const filled = (length) => new Array(length).fill(1.5)

    function listeners () {
      made.controller = new AbortController()
      setMaxListeners(0, made.controller.signal)
      for (let index = 0; index < 1500; index++) made.controller.signal.addEventListener('abort', () => index)
      made.source = new AbortController()
      made.following = Array.from({ length: 400 }, () => AbortSignal.any([made.source.signal]))
      made.target = new EventTarget()
      setMaxListeners(0, made.target)
      for (let index = 0; index < 12; index++) made.target.addEventListener('tick', { handleEvent () {} })
      // A signal that is handed to Node gets listeners of Node's own.
      made.passed = new AbortController()
      setMaxListeners(0, made.passed.signal)
      for (let index = 0; index < 120; index++) require('node:timers/promises').setTimeout(1e8, 0, { ref: false, signal: made.passed.signal }).catch(() => {})
      // What the streams of twenty workers do to the standard output.
      process.stdout.setMaxListeners(0)
      made.piped = Array.from({ length: 20 }, () => new PassThrough().pipe(process.stdout) && 0)
      made.once = new EventEmitter().setMaxListeners(0)
      for (let index = 0; index < 13; index++) made.once.once('done', () => index)
      made.quiet = new EventEmitter()
      for (let index = 0; index < 10; index++) made.quiet.on('data', () => index)
    }

    function timers () {
      for (let index = 0; index < 850; index++) {
        const body = filled(500)
        setTimeout(function poll () { return body }, 1e8).unref()
      }
    }

    function chains () {
      class Link { constructor (next) { this.next = next; this.body = filled(500) } }
      let head = null
      for (let index = 0; index < 500; index++) head = new Link(head)
      made.head = head
    }

    function collections () {
      class Lru extends Map {}
      made.lru = new Lru()
      for (let index = 0; index < 12_000; index++) made.lru.set(index, { index })
    }

    function registries () {
      class Target { constructor () { this.body = filled(100) } }
      made.registry = new FinalizationRegistry(() => {})
      for (let index = 0; index < 200; index++) {
        const target = new Target()
        made.registry.register(target, { key: { target } })
      }
      // Two that keep each other, which no callback ever hears of.
      const [one, two] = [new Target(), new Target()]
      made.registry.register(one, { two })
      made.registry.register(two, { one })
      // What others hold is let in peace, and so is a held value that leads elsewhere.
      made.held = Array.from({ length: 50 }, () => new Target())
      made.healthy = new FinalizationRegistry(() => {})
      for (const target of made.held) made.healthy.register(target, { target })
      for (const target of made.held) made.healthy.register(target, { other: new Target() })
    }

    function weakReferences () {
      made.cache = new Map()
      made.set = new Set()
      made.list = []
      made.wrapped = new Map()
      for (let index = 0; index < 1234; index++) {
        made.cache.set('key ' + index, new WeakRef({ index }))
        made.set.add(new WeakRef({ index }))
        made.list.push(new WeakRef({ index }))
        made.wrapped.set(index, { at: {}, ref: new WeakRef({ index }) })
      }
      made.living = Array.from({ length: 1234 }, (_, index) => ({ index }))
      made.livingCache = new Map(made.living.map((value, index) => ['living ' + index, new WeakRef(value)]))
    }

    function slices () {
      made.slices = []
      made.wholes = []
      for (let index = 0; index < 30; index++) {
        const whole = JSON.parse(JSON.stringify(String(index) + 'x'.repeat(100_000)))
        made.slices.push(whole.slice(10, 30))
        const kept = JSON.parse(JSON.stringify(String(index) + 'y'.repeat(100_000)))
        made.wholes.push(kept, kept.slice(10, 30))
      }
    }

    const session = new inspector.Session()
    function console_ () {
      class Logged { constructor () { this.body = filled(500) } }
      class Held { constructor () { this.body = filled(500) } }
      session.connect()
      session.post('Runtime.enable')
      made.logged = []
      const { write } = process.stdout
      process.stdout.write = () => true
      for (let index = 0; index < 300; index++) {
        console.log(new Logged())
        const held = new Held()
        console.log(held)
        made.logged.push(held)
      }
      process.stdout.write = write
    }

    const storage = new AsyncLocalStorage()
    class TimerStore { constructor () { this.body = filled(10_000); this.self = { store: this } } }
    class PromiseStore extends TimerStore {}
    class SocketStore extends TimerStore {}
    class HeldStore extends TimerStore {}
    function contexts () {
      made.resolvers = []
      made.stores = []
      for (let index = 0; index < 40; index++) {
        storage.run(new TimerStore(), () => { setInterval(() => {}, 1e8).unref() })
        storage.run(new PromiseStore(), () => { (async () => { await new Promise((resolve) => made.resolvers.push(resolve)) })() })
        const held = new HeldStore()
        made.stores.push(held)
        storage.run(held, () => { setInterval(() => {}, 1e8).unref() })
      }
    }
    async function sockets () {
      made.accepted = []
      const server = net.createServer((socket) => made.accepted.push(socket))
      await new Promise((resolve) => server.listen(0, resolve))
      made.sockets = await Promise.all(Array.from({ length: 40 }, () => storage.run(new SocketStore(), () => new Promise((resolve) => {
        const socket = net.connect(server.address().port, () => resolve(socket))
      }))))
    }

    ;(async () => {
      for (const make of [listeners, timers, chains, collections, registries, weakReferences, slices, console_, contexts, sockets]) await make()
      for (let round = 0; round < 50; round++) {
        global.gc()
        await new Promise(setImmediate)
        if (made.list.every((ref) => ref.deref() === undefined)) break
      }
      // WeakRefs that were asked live until the end of the turn.
      await new Promise(setImmediate)
      snapshot(0)
      process.exit()
    })()
  `)
  ;({ suspects, classes } = await snapshots.analyzeHeapSnapshot(out(0), { top: 1000, paths: 3 }))
})

test('listeners of an abort signal are a suspect, those of an event target too, whatever they are made of', () => {
  const found = texts('many-listeners')

  assert.deepStrictEqual(found, [
    'AbortSignal with 120 listeners for "abort"',
    'AbortSignal with 1500 listeners for "abort"',
    'AbortSignal with 400 signals of AbortSignal.any() that follow it',
    'EventEmitter with 13 listeners for "done"',
    'EventTarget with 12 listeners for "tick"'
  ])
  const { path, count, retainedBytes } = of('many-listeners').find(({ text }) => text.includes('1500'))
  assert.match(path, /^global\.made\.controller \(AbortController\)\.#signal \((AbortSignal|EventTarget)\)$/)
  assert.strictEqual(count, 1500)
  // Each has a closure and a link of 64 bytes at the least.
  assert.ok(retainedBytes >= 1500 * 128, String(retainedBytes))
})

test('850 timers that hold megabytes are a suspect, with the function that they call', () => {
  const [{ text, count, retainedBytes }] = of('many-timers')

  assert.strictEqual(of('many-timers').length, 1)
  assert.ok(count >= 850, String(count))
  assert.match(text, /^\d+ Timeout objects, 850 of them for function poll \(\[eval\]:\d+\)$/)
  assert.ok(retainedBytes >= 850 * 4000, String(retainedBytes))
})

test('a chain of 500 that holds megabytes is a suspect; the lists of timers and listeners are none of their own', () => {
  assert.deepStrictEqual(texts('long-chain'), ['chain of 500 Link objects, linked by next'])
  const [{ path, retainedBytes }] = of('long-chain')
  assert.strictEqual(path, 'global.made.head (Link)')
  assert.ok(retainedBytes >= 500 * 4000, String(retainedBytes))
})

test('a Map of a subclass counts by its entries, numbers as keys too', () => {
  assert.deepStrictEqual(of('large-collection').map(({ text, path, count }) => ({ text, path, count })), [
    { text: 'Lru with at least 12000 entries', path: 'global.made.lru (Lru)', count: 12_000 }
  ])
})

test('a FinalizationRegistry whose held values keep their own targets is a suspect; one that others hold is none', () => {
  const found = of('held-target')

  assert.deepStrictEqual(found.map(({ text, path, count }) => ({ text, path, count })), [{
    text: 'FinalizationRegistry with 202 held values that keep their own targets, mostly Target',
    path: 'global.made.registry (FinalizationRegistry)',
    count: 202
  }])
  assert.ok(found[0].retainedBytes >= 202 * 800, String(found[0].retainedBytes))
})

test('Maps, Sets and arrays of dead WeakRefs are suspects; those of living ones are none', () => {
  assert.deepStrictEqual(of('dead-weak-refs').map(({ text, path }) => `${path}: ${text}`).sort(), [
    'global.made.cache (Map): Map with 1234 dead WeakRefs among at least 1234 entries',
    'global.made.list: Array with 1234 dead WeakRefs among at least 1234 entries',
    'global.made.set (Set): Set with 1234 dead WeakRefs among at least 1234 entries',
    'global.made.wrapped (Map): Map with 1234 dead WeakRefs among at least 1234 entries'
  ])
})

test('long strings that only short slices keep are one suspect per path; those that are held as well are none', () => {
  const found = of('pinned-string')

  assert.deepStrictEqual(found.map(({ text, count }) => ({ text, count })), [
    { text: '30 strings that only 30 slices of them keep', count: 30 }
  ])
  assert.match(found[0].path, /^global\.made\.slices\[\d+\]$/)
  assert.ok(found[0].retainedBytes >= 30 * 100_000, String(found[0].retainedBytes))
})

test('what was logged to an inspector is one suspect, without what the program holds as well', () => {
  const found = of('console-messages')

  assert.strictEqual(found.length, 1)
  const [{ text, count, path, retainedBytes }] = found
  assert.match(text, /^\d+ logged values that only the console of an inspector keeps, mostly Logged$/)
  // V8 keeps the text of a message as well, now and then.
  assert.ok(count >= 300 && count < 310, String(count))
  assert.match(path, /DevTools console/)
  assert.ok(retainedBytes >= 300 * 4000 && retainedBytes < 500 * 4000, String(retainedBytes))
})

test('what was logged to an inspector is one path, whatever number V8 gave to each message', () => {
  const { count, paths } = classes.find(({ name }) => name === 'Logged')

  assert.deepStrictEqual([count, paths.length, paths[0].count], [300, 1, 300])
  assert.match(paths[0].path, /\(Global handles\) → DevTools console \(Logged\)$/)
})

test('stores of AsyncLocalStorage that timers, sockets and promises keep are suspects; those that the program holds are none', () => {
  const found = of('async-context').map(({ text, count }) => ({ text, count })).sort((a, b) => a.text < b.text ? -1 : 1)

  assert.deepStrictEqual(found, ['PromiseStore stores that only the async context of Promise', 'SocketStore stores that only the async context of TCP', 'TimerStore stores that only the async context of Timeout']
    .map((text) => ({ text: `40 ${text} objects keeps`, count: 40 })))
  for (const { path, retainedBytes } of of('async-context')) {
    assert.match(path, hasFrames ? /AsyncContextFrame/ : /kResourceStore/)
    assert.ok(retainedBytes >= 40 * 80_000, String(retainedBytes))
  }
})

test('nothing of Node itself is a suspect', () => {
  // What was made above hangs from one object of the test's own.
  const others = suspects.filter(({ kind, path }) => !path.startsWith('global.made') && !['many-timers', 'console-messages', 'async-context'].includes(kind))
  assert.deepStrictEqual(others, [])
})
