'use strict'

// What has grown between two snapshots, by what holds it: real snapshots of the Node under test.

const test = require('node:test')
const assert = require('node:assert')
const snapshots = require('../../../analysis.js')
const { inChild } = require('./helpers/real.js')
const { Sketch, file, temporaryFolder } = require('./helpers/sketch.js')

/** Leaks of several kinds: what there is before, what is added. */
const SERVICE = `
  class Session { constructor (id) { this.id = id; this.data = Buffer.alloc(2_000) } }
  class Metric { constructor (name) { this.name = name } }
  class Tenant { constructor (id) { this.id = id; this.jobs = [] } }
  class Job { constructor () { this.at = new Date() } }
  const service = {
    sessions: new Map(), modules: {}, metrics: {}, tenants: new Map(), counts: new Map(), list: [],
    memory: new WebAssembly.Memory({ initial: 16, maximum: 4096 }), buffer: new ArrayBuffer(1_000, { maxByteLength: 4_000_000 })
  }
  globalThis.service = service
  service.memory.buffer
  const add = (count, from) => {
    for (let n = from; n < from + count; n++) {
      service.sessions.set('session:' + n + '/x', new Session(n))
      service.modules['file:///manifest.mjs?t=' + n] = { loaded: new Date() }
    }
  }
  for (let n = 0; n < 4; n++) service.tenants.set('tenant-' + n, new Tenant(n))
  for (let n = 0; n < 10; n++) service.metrics['http_' + n + '_total'] = new Metric(n)
  add(40, 0)
  const grow = () => {
    add(1_000, 40)
    for (let n = 10; n < 60; n++) service.metrics['http_' + n + '_total'] = new Metric(n)
    for (const tenant of service.tenants.values()) for (let n = 0; n < 250; n++) tenant.jobs.push(new Job())
    for (let n = 0; n < 50_000; n++) service.counts.set(n, n)
    for (let n = 0; n < 200_000; n++) service.list.push(n)
    service.memory.grow(600)
    service.memory.buffer
    service.buffer.resize(3_000_000)
  }
`

/** Class, kind, count and path of each line that `service` holds, most bytes first. */
function lines ({ growth }) {
  return growth
    .filter(({ bytes, path }) => bytes >= 1_000 && path?.startsWith('global.service'))
    .map(({ kind, count, className, path }) => `${kind} ${count} ${className} via ${path}`)
}

const EXPECTED = [
  /^grown 1 system \/ JSArrayBufferData via global\.service\.memory \(Memory\).* → backing_store/,
  /^grown 1 system \/ JSArrayBufferData via global\.service\.buffer \(ArrayBuffer\) → backing_store/,
  /^new 1000 Session via global\.service\.sessions \(Map\) entry\["session:…\/x"\] \(Session\)$/,
  /^grown 1 Map via global\.service\.counts \(Map\)$/,
  /^grown 1 Array via global\.service\.list$/,
  /^new 1000 Object via global\.service\.modules\["file:\/\/\/manifest\.mjs\?t=…"\]$/,
  /^new 1000 Job via global\.service\.tenants \(Map\) entry\["tenant-…"\] \(Tenant\)\.jobs\[…\] \(Job\)$/,
  /^new 50 Metric via global\.service\.metrics\["http_…_total"\] \(Metric\)$/
]

function checkLines (result) {
  const found = lines(result)
  // THEN each leak is one line, with the place that holds it, and nothing else of the service is a line
  for (const expected of EXPECTED) assert.strictEqual(found.filter((line) => expected.test(line)).length, 1, `${expected} in\n${found.join('\n')}`)
  assert.strictEqual(found.length, EXPECTED.length, found.join('\n'))
  // AND what is most of a line is said
  const sessions = result.growth.find(({ className }) => className === 'Session')
  assert.deepStrictEqual([sessions.mostly.className, sessions.mostly.count], ['system / JSArrayBufferData', 1000])
  assert.ok(sessions.mostly.bytes >= 2_000_000 && sessions.bytes > sessions.mostly.bytes)
  // AND no byte is in two lines
  const sum = result.growth.reduce((sum, { bytes }) => sum + bytes, 0)
  assert.ok(result.growthCount <= result.growth.length)
  return sum
}

test('grown objects and new objects have one line each, with the place and the common part of its keys', (t) => {
  const out = inChild(temporaryFolder(t), `${SERVICE}; gc(); snapshot(0); grow(); gc(); snapshot(1)`)
  return snapshots.compareHeapSnapshots(out(0), out(1), { top: 1000 }).then((result) => {
    assert.strictEqual(result.matchedById, true)
    const sum = checkLines(result)
    const total = result.after.shallowBytes - result.before.shallowBytes
    assert.ok(Math.abs(sum - total) < 0.02 * total, `${sum} in lines, ${total} more in all`)
  })
})

test('the same lines come out where objects cannot be matched one by one', async (t) => {
  // GIVEN two processes, one of which has numbered its objects otherwise
  const before = inChild(temporaryFolder(t), `${SERVICE}; gc(); snapshot(0)`)(0)
  const after = inChild(temporaryFolder(t), `globalThis.shift = Array.from({ length: 5000 }, (_, index) => 'text ' + index * 3); ${SERVICE}; grow(); gc(); snapshot(0)`)(0)
  const result = await snapshots.compareHeapSnapshots(before, after, { top: 1000 })
  assert.strictEqual(result.matchedById, false)
  checkLines(result)
})

test('the path of a class has exactly as many objects as the class has gained when a dictionary has passed 64 entries meanwhile', (t) => {
  const out = inChild(temporaryFolder(t), `${SERVICE}; gc(); snapshot(0); grow(); gc(); snapshot(1)`)
  const other = inChild(temporaryFolder(t), `globalThis.shift = Array.from({ length: 5000 }, (_, index) => 'text ' + index * 3); ${SERVICE}; grow(); gc(); snapshot(0)`)
  return Promise.all([out(1), other(0)].map(async (after) => {
    const { classes } = await snapshots.compareHeapSnapshots(out(0), after, { top: 1000 })
    const dates = classes.find(({ name }) => name === 'Date')
    assert.deepStrictEqual([dates.countDelta, dates.paths[0].count], [2000, 1000])
    const metrics = classes.find(({ name }) => name === 'Metric')
    assert.deepStrictEqual(metrics.paths.map(({ count, path }) => [count, path]), [[50, 'global.service.metrics["http_…_total"] (Metric)']])
  }))
})

test('objects that move from one place to another are no growth', async (t) => {
  const make = (shift) => `
    class Thing {}
    globalThis.shift = Array.from({ length: ${shift} }, (_, index) => 'text ' + index * 3)
    globalThis.cold = []
    globalThis.hot = Array.from({ length: 500 }, () => new Thing())
    gc(); snapshot(0)
    cold = hot
    hot = []
    gc(); snapshot(1)
  `
  const one = inChild(temporaryFolder(t), make(0))
  const other = inChild(temporaryFolder(t), make(5000))
  for (const after of [one(1), other(1)]) {
    const { growth } = await snapshots.compareHeapSnapshots(one(0), after, { top: 1000 })
    assert.deepStrictEqual(growth.filter(({ className }) => className === 'Thing'), [])
  }
})

/** Before and after, as children of the probe write them: objects cannot be matched. */
function apart (t, script) {
  const before = inChild(temporaryFolder(t), `${script}; gc(); snapshot(0)`)(0)
  const after = inChild(temporaryFolder(t), `globalThis.shift = Array.from({ length: 5000 }, (_, index) => 'text ' + index * 3); ${script}; grow(); gc(); snapshot(0)`)(0)
  return snapshots.compareHeapSnapshots(before, after, { top: 1000 })
}

test('objects that are retained in another way count as new only up to the growth of their class', async (t) => {
  const { growth, classes } = await apart(t, `
    class Conn { constructor (id) { this.id = id; this.data = Buffer.alloc(2_000) } }
    const service = { deep: { pool: Array.from({ length: 200 }, (_, id) => new Conn(id)) } }
    globalThis.handler = () => service
    globalThis.debug = service.deep.pool
    const grow = () => { delete globalThis.debug; for (let id = 0; id < 1000; id++) service.deep.pool.push(new Conn(id)) }
  `)
  assert.deepStrictEqual(growth.filter(({ className }) => className === 'Conn').map(({ kind, count }) => [kind, count]), [['new', 1000]])
  assert.strictEqual(classes.find(({ name }) => name === 'Conn').countDelta, 1000)
})

test('a list that is held at both ends, a chain of promises and pending timers are a line each', async (t) => {
  const { growth } = await apart(t, `
    class Node_ { constructor (value) { this.value = value } }
    class LRU {
      add (value) {
        const node = new Node_(value)
        if (this.tail === undefined) this.head = node
        else { this.tail.next = node; node.prev = this.tail }
        this.tail = node
      }
    }
    globalThis.lru = new LRU()
    let tail = globalThis.first = new Promise(() => {})
    const enqueue = (value) => { tail = tail.then(() => value) }
    const remind = (value) => setTimeout(() => value.now, 1e8).unref()
    const fill = (count) => { for (let n = 0; n < count; n++) { lru.add(n); enqueue(n); remind({ n, what: 'x' + n }) } }
    fill(100)
    const grow = () => fill(3_000)
  `)
  const [list, ...others] = growth.filter(({ className }) => className === 'Node_')
  assert.deepStrictEqual([list.kind, list.count, others], ['new', 3_000, []])
  assert.match(list.path, /^global\.lru \(LRU\)\.(head|tail) \(Node_\)( ×n)?$/)
  const [promises, ...more] = growth.filter(({ path }) => path?.startsWith('global.first'))
  assert.deepStrictEqual([promises.className, promises.count, more], ['Promise', 3_000, []])
  const [timers, ...rest] = growth.filter(({ className }) => className === 'Timeout')
  assert.deepStrictEqual([timers.count, rest], [3_000, []])
  assert.match(timers.path, /\(TimersList\)\._idle(Next|Prev) \(Timeout\)( ×n)?\._onTimeout \(function \[eval\]:\d+\)$/)
})

test('a list of any length has the name of the reference that retains it, and of no other', async (t) => {
  const out = inChild(temporaryFolder(t), `
    class Link { constructor (value) { this.value = value } }
    class Terminus { constructor () { this.text = 'x'.repeat(10) } }
    globalThis.first = new Link(0)
    function add (count) {
      let last = first
      while (last.next !== undefined) last = last.next
      for (let n = 0; n < count; n++) last = last.next = new Link(n)
      return last
    }
    add(1_000)
    gc(); snapshot(0)
    add(60_000).big = new Terminus()
    gc(); snapshot(1)
  `)
  const { growth } = await snapshots.compareHeapSnapshots(out(0), out(1), { top: 1000 })
  const [links] = growth
  assert.deepStrictEqual([links.className, links.count], ['Link', 60_000])
  assert.match(links.path, /^global\.first \(Link\)( ×n)?$/)
  const { classes } = await snapshots.analyzeHeapSnapshot(out(1), { filter: 'Terminus' })
  assert.deepStrictEqual(classes[0].paths.map(({ path }) => path), ['global.first (Link) ×n.big (Terminus)'])
  const { object } = await snapshots.analyzeHeapSnapshot(out(1), { id: classes[0].paths[0].exampleId })
  // On Node 26 a global variable has a cell, which is a step.
  assert.ok([61_003, 61_004].includes(object.pathStepCount), String(object.pathStepCount))
  assert.match(object.path, /^global\.first \(Link\)\.next \(Link\) ×199[78] … 5700[34] steps …\.next \(Link\) ×1999\.big \(Terminus\)$/)
})

test('the strings of a Map and its table are one line', async (t) => {
  const { growth } = await apart(t, `
    globalThis.names = new Map([[0, 'first']])
    const grow = () => { for (let n = 1; n < 20_000; n++) names.set(n, 'name ' + n) }
  `)
  assert.deepStrictEqual(growth.filter(({ path }) => path?.startsWith('global.names')).map(({ kind, count, className }) => [kind, count, className]), [['new', 19_999, '(string)']])
})

test('a function on a path says in which file and line it was written', async (t) => {
  const out = inChild(temporaryFolder(t), `
    const { runInThisContext } = require('node:vm')
    runInThisContext(\`
      (() => {
        class Session {}
        const sessions = new Map([[0, new Session()]])
        globalThis.handle = (user) => sessions.set(user, new Session())
      })()
    \`, { filename: '/srv/app/sessions.js', lineOffset: 10 })
    gc(); snapshot(0)
    for (let n = 1; n <= 20; n++) handle('user-' + n)
    gc(); snapshot(1)
  `)
  const { growth } = await snapshots.compareHeapSnapshots(out(0), out(1), { filter: 'Session' })
  assert.deepStrictEqual(growth.map(({ kind, count, className, path }) => [kind, count, className, path]), [
    ['new', 20, 'Session', 'global.handle (function sessions.js:15) → variable sessions (Map) entry["user-…"] (Session)']
  ])
})

test('with paths: 0 no place is computed', async (t) => {
  const sketch = new Sketch()
  const global = sketch.node('object', 'global', 10)
  sketch.edge(0, 'shortcut', '1', global)
  const before = file(t, sketch.json())
  sketch.edge(global, 'property', 'it', sketch.node('object', 'Thing', 33))
  const after = file(t, sketch.json())

  const { growth, growthCount } = await snapshots.compareHeapSnapshots(before, after)
  assert.deepStrictEqual(growth, [{ kind: 'new', className: 'Thing', count: 1, bytes: 33, mostly: null, path: 'global.it (Thing)', exampleId: growth[0].exampleId }])
  assert.strictEqual(growthCount, 1)
  const without = await snapshots.compareHeapSnapshots(before, after, { paths: 0 })
  assert.deepStrictEqual([without.growth, without.growthCount], [[], null])
})
