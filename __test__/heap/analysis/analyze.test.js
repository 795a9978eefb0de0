'use strict'

const test = require('node:test')
const assert = require('node:assert')
const { once } = require('node:events')
const fs = require('node:fs')
const zlib = require('node:zlib')
const snapshots = require('../../../analysis.js')
const { OffheapError } = require('../../../index.js')
const { analyzeHeapSnapshotSync } = require('../../../lib/heap/analysis.js')
const { Sketch, file, leakySketch, temporaryFolder } = require('./helpers/sketch.js')

const rowOf = (rows, name) => rows.find((row) => row.name === name)

test('every number of a hand-drawn heap is exact', async (t) => {
  const result = await snapshots.analyzeHeapSnapshot(file(t, leakySketch().json()), { paths: 3 })

  assert.strictEqual(result.nodeCount, 23)
  assert.strictEqual(result.edgeCount, 26)
  assert.strictEqual(result.totals.shallowBytes, 13208)
  assert.strictEqual(result.totals.backingStoreBytes, 4096)
  assert.strictEqual(result.object, null)
  // The table of the Map counts as the Map's own.
  const map = rowOf(result.classes, 'Map')
  assert.deepStrictEqual({ ...map, paths: map.paths.map(({ path }) => path) }, {
    name: 'Map',
    count: 1,
    shallowBytes: 232,
    retainedBytes: 232 + 3 * 48 + (24 + 20) + (96 + 88 + 4096) + 72,
    distance: 2,
    paths: ['global.sessions (Map)']
  })
  const session = rowOf(result.classes, 'Session')
  assert.deepStrictEqual(session, {
    name: 'Session',
    count: 3,
    shallowBytes: 144,
    retainedBytes: 144 + 44 + 4280,
    distance: 4,
    paths: [{ path: 'global.sessions (Map) entry (Session)', count: 3, shallowBytes: 144, retainedBytes: 144 + 44 + 4280, exampleId: 13 }]
  })
  assert.strictEqual(rowOf(result.classes, '(array)'), undefined)
})

test('a path says in words how an object is held', async (t) => {
  const snapshot = file(t, leakySketch().json())
  const path = async (id) => (await snapshots.analyzeHeapSnapshot(snapshot, { id })).object.path

  assert.strictEqual(await path(21), 'global.sessions (Map) entry (Session).user (User).name')
  assert.strictEqual(await path(27), 'global.sessions (Map) entry (Session).buffer (Buffer) → buffer (ArrayBuffer) → backing_store (system / JSArrayBufferData)')
  assert.strictEqual(await path(33), 'global.handler (function handler server.js:42) → variable cache')
  assert.strictEqual(await path(5), '(GC roots)[0] (Strong roots)')
})

test('an object comes with its retainers, nearest first and weak ones last, and its dominators', async (t) => {
  const { object } = await snapshots.analyzeHeapSnapshot(file(t, leakySketch().json()), { id: 19 })

  assert.strictEqual(object.className, 'User')
  assert.strictEqual(object.retainerCount, 2)
  assert.deepStrictEqual(object.retainers.map(({ id, edge, edgeType }) => [id, edge, edgeType]), [
    [13, 'user', 'property'],
    [39, 'prototype', 'weak']
  ])
  assert.deepStrictEqual(object.dominators.map(({ id }) => id), [13, 11, 9, 7])
})

test('a path leads through offheap only where there is no other', async (t) => {
  // GIVEN a session that offheap's registration reaches in two steps and the service in three, and one that only offheap reaches
  const sketch = new Sketch()
  const global = sketch.node('object', 'global', 32)
  const registration = sketch.node('object', 'Registration', 16)
  const service = sketch.node('object', 'Service', 16)
  const map = sketch.node('object', 'Map', 16)
  const shared = sketch.node('object', 'Session', 64)
  const own = sketch.node('object', 'History', 64)
  sketch.edge(0, 'shortcut', 'global', global)
    .edge(global, 'property', '<symbol offheap.registered>', registration)
    .edge(global, 'property', 'service', service)
    .edge(registration, 'property', 'session', shared)
    .edge(registration, 'property', 'history', own)
    .edge(service, 'property', 'sessions', map)
    .edge(map, 'property', 'first', shared)
  const snapshot = file(t, sketch.json())
  const path = async (node) => (await snapshots.analyzeHeapSnapshot(snapshot, { id: 2 * node + 1 })).object.path

  assert.strictEqual(await path(shared), 'global.service (Service).sessions (Map).first (Session)')
  assert.strictEqual(await path(own), 'global["<symbol offheap.registered>"] (Registration).history (History)')
})

test('backing stores are put down to the view and the path that hold them', async (t) => {
  const { backingStores } = await snapshots.analyzeHeapSnapshot(file(t, leakySketch().json()))

  assert.deepStrictEqual(backingStores.classes, [{ className: 'Buffer', count: 1, bytes: 4096 }])
  assert.deepStrictEqual(backingStores.paths, [
    { path: 'global.sessions (Map) entry (Session).buffer (Buffer)', count: 1, bytes: 4096, exampleId: 23 }
  ])
  assert.strictEqual(backingStores.unheldCount, 0)
})

test('closures stand under their file, line and column, counted from one', async (t) => {
  const { closures } = await snapshots.analyzeHeapSnapshot(file(t, leakySketch().json()))

  assert.deepStrictEqual(closures, [{
    name: 'handler',
    file: 'server.js',
    line: 42,
    column: 10,
    count: 1,
    shallowBytes: 64,
    retainedBytes: 64 + 40 + 56 + 32 + 8000 + 56 + 64 + 24,
    exampleId: 29
  }])
})

test('a long string that only its slices hold is named', async (t) => {
  const { strings } = await snapshots.analyzeHeapSnapshot(file(t, leakySketch().json()))

  assert.deepStrictEqual(strings.pinnedBySlices, [{ id: 37, text: 'a'.repeat(28), bytes: 8000, sliceCount: 1 }])
})

test('equal strings are counted once per copy', async (t) => {
  // GIVEN three copies of one string of 48 bytes, and one long enough to have been cut by V8, twice
  const sketch = new Sketch()
  const global = sketch.node('object', 'global', 8)
  sketch.edge(0, 'shortcut', '1', global)
  for (const [index, text] of ['copied', 'copied', 'copied', 'x'.repeat(1024), 'x'.repeat(1024)].entries()) {
    sketch.edge(global, 'element', index, sketch.node('string', text, text.length > 10 ? 4096 : 48))
  }
  // WHEN it is analyzed
  const { strings } = await snapshots.analyzeHeapSnapshot(file(t, sketch.json()))
  // THEN the copies are counted, and nothing is said of what may differ after the cut
  assert.strictEqual(strings.duplicateCount, 2)
  assert.strictEqual(strings.duplicateBytes, 96)
  assert.deepStrictEqual(strings.duplicates, [{ text: 'copied', length: 6, count: 3, bytes: 144 }])
})

test('fields are found by name, in any order and with any others between them', async (t) => {
  const { durationMs: _, file: __, snapshotBytes: ___, ...wanted } = await snapshots.analyzeHeapSnapshot(file(t, leakySketch().json()))
  const layouts = [
    { nodeFields: ['type', 'name', 'id', 'self_size', 'edge_count', 'trace_node_id', 'detachedness'] },
    { nodeFields: ['type', 'name', 'id', 'self_size', 'edge_count'] },
    { nodeFields: ['edge_count', 'self_size', 'future', 'id', 'name', 'type'], edgeFields: ['to_node', 'x', 'name_or_index', 'type'] },
    { order: ['trace_tree', 'snapshot', 'samples', 'nodes', 'locations', 'edges', 'strings', 'trace_function_infos'] }
  ]
  for (const layout of layouts) {
    const { durationMs: _, file: __, snapshotBytes: ___, ...result } = await snapshots.analyzeHeapSnapshot(file(t, leakySketch().json(layout)))
    assert.deepStrictEqual(result, wanted, JSON.stringify(layout))
  }
})

test('gzip is read like the file in it', async (t) => {
  const text = leakySketch().json()
  const { durationMs: _, file: __, ...plain } = await snapshots.analyzeHeapSnapshot(file(t, text))
  const { durationMs: ___, file: ____, ...packed } = await snapshots.analyzeHeapSnapshot(file(t, zlib.gzipSync(text), 'sketch.heapsnapshot.gz'))

  assert.deepStrictEqual(packed, plain)
})

test('top, paths and filter limit the result', async (t) => {
  const snapshot = file(t, leakySketch().json())
  const result = await snapshots.analyzeHeapSnapshot(snapshot, { top: 2, paths: 0, filter: 'sess' })

  assert.strictEqual(result.classCount, 1)
  assert.deepStrictEqual(result.classes.map(({ name, paths }) => [name, paths.length]), [['Session', 0]])
  assert.deepStrictEqual(result.largest.map(({ id }) => id), [15, 13])
})

test('suspects carry their evidence: collections, listeners, chains, timers', async (t) => {
  // GIVEN a heap of 10,001 entries in a Set, 11 listeners, a chain of 1,500 and 1,000 timers
  const sketch = new Sketch()
  const global = sketch.node('object', 'global', 8)
  sketch.edge(0, 'shortcut', '1', global)
  const set = sketch.node('object', 'Set', 16)
  const table = sketch.node('array', '', 16)
  sketch.edge(global, 'property', 'set', set).edge(set, 'internal', 'table', table)
  const shape = sketch.node('hidden', 'system / Map', 0)
  sketch.edge(table, 'internal', 'map', shape)
  const value = sketch.node('object', 'Value', 8)
  for (let index = 0; index < 10_001; index++) sketch.edge(table, 'internal', String(index), value)
  const emitter = sketch.node('object', 'Emitter', 8)
  const events = sketch.node('object', 'Object', 8)
  const list = sketch.node('object', 'Array', 8)
  sketch.edge(global, 'property', 'emitter', emitter).edge(emitter, 'property', '_events', events).edge(events, 'property', 'data', list)
  for (let index = 0; index < 11; index++) sketch.edge(list, 'element', index, sketch.node('closure', 'listener', 8))
  let link = sketch.node('object', 'Link', 8)
  sketch.edge(global, 'property', 'head', link)
  for (let index = 1; index < 1500; index++) {
    const next = sketch.node('object', 'Link', 8)
    sketch.edge(link, 'property', 'next', next)
    link = next
  }
  for (let index = 0; index < 1000; index++) sketch.edge(global, 'element', index, sketch.node('object', 'Timeout', 8))
  // WHEN it is analyzed
  const { suspects } = await snapshots.analyzeHeapSnapshot(file(t, sketch.json()))
  // THEN each is there once
  const found = Object.fromEntries(suspects.map(({ kind, text, count }) => [kind, [text, count]]))
  assert.deepStrictEqual(found, {
    'long-chain': ['chain of 1500 Link objects, linked by next', 1500],
    'many-timers': ['1000 Timeout objects', 1000],
    'many-listeners': ['Emitter with 11 listeners for "data"', 11],
    'large-collection': ['Set with at least 10001 entries', 10001]
  })
})

test('broken files are refused with a code that says how', async (t) => {
  const json = leakySketch().json()
  const code = async (name, text) => {
    await assert.rejects(snapshots.analyzeHeapSnapshot(file(t, text)), (error) => {
      assert.ok(error instanceof OffheapError)
      assert.strictEqual(error.code, name)
      return true
    })
  }
  await code('ERR_OFFHEAP_SNAPSHOT_SYNTAX', 'not json')
  await code('ERR_OFFHEAP_SNAPSHOT_SYNTAX', json.replace('"edges":[', '"edges":[-'))
  await code('ERR_OFFHEAP_SNAPSHOT_TRUNCATED', json.slice(0, -1))
  await code('ERR_OFFHEAP_SNAPSHOT_TRUNCATED', '')
  await code('ERR_OFFHEAP_SNAPSHOT_TRUNCATED', zlib.gzipSync(json).subarray(0, 100))
  await code('ERR_OFFHEAP_SNAPSHOT_FORMAT', json.replace('"node_count":23', '"node_count":22'))
  await code('ERR_OFFHEAP_SNAPSHOT_TOO_LARGE', json.replace('"nodes":[9,1,1,', '"nodes":[9,1,4294967296,'))
})

test('a file that cannot be read says why', async (t) => {
  const folder = temporaryFolder(t)
  for (const path of [`${folder}/missing.heapsnapshot`, folder]) {
    await assert.rejects(snapshots.analyzeHeapSnapshot(path), { code: 'ERR_OFFHEAP_SNAPSHOT_READ_FAILED' })
  }
})

test('an id that no object has is an error', async (t) => {
  await assert.rejects(snapshots.analyzeHeapSnapshot(file(t, leakySketch().json()), { id: 2 }), { code: 'ERR_OFFHEAP_SNAPSHOT_OBJECT_NOT_FOUND' })
})

test('wrong arguments are refused before anything happens', async () => {
  for (const path of [undefined, null, 1, {}, []]) {
    await assert.rejects(snapshots.analyzeHeapSnapshot(path), { code: 'ERR_INVALID_ARG_TYPE' })
    await assert.rejects(snapshots.compareHeapSnapshots('a', path), { code: 'ERR_INVALID_ARG_TYPE' })
    await assert.rejects(snapshots.redactHeapSnapshot('a', path), { code: 'ERR_INVALID_ARG_TYPE' })
  }
  for (const top of [0, -1, 1.5, NaN, Infinity, 1001, 2 ** 53]) {
    await assert.rejects(snapshots.analyzeHeapSnapshot('a', { top }), { code: 'ERR_OUT_OF_RANGE' })
  }
  for (const id of [-1, 1.5, 2 ** 32]) {
    await assert.rejects(snapshots.analyzeHeapSnapshot('a', { id }), { code: 'ERR_OUT_OF_RANGE' })
  }
  for (const wrong of [{ top: '5' }, { paths: null }, { filter: 1 }, { signal: {} }, { onProgress: true }]) {
    await assert.rejects(snapshots.analyzeHeapSnapshot('a', wrong), { code: 'ERR_INVALID_ARG_TYPE' })
  }
  await assert.rejects(snapshots.analyzeHeapSnapshot('a', { path: 1 }), { code: 'ERR_INVALID_ARG_VALUE', message: /did you mean "paths"/ })
  await assert.rejects(snapshots.redactHeapSnapshot('a', 'b', { salt: 'too short' }), { code: 'ERR_OUT_OF_RANGE' })
})

test('a signal that has fired stops the run before it starts, and carries its reason', async () => {
  const reason = new Error('enough')
  await assert.rejects(snapshots.analyzeHeapSnapshot('missing', { signal: AbortSignal.abort(reason) }), { code: 'ERR_OFFHEAP_ABORTED', cause: reason })
})

test('a signal stops a run that waits for its input, and the loop is not held', async (t) => {
  // GIVEN a file of 300,000 nodes, so that the run outlives the next turn of the loop
  const sketch = JSON.parse(leakySketch().json())
  const more = 300_000
  sketch.snapshot.node_count += more
  for (let index = 0; index < more; index++) sketch.nodes.push(3, 2, 1000 + index, 16, 0, 0)
  const snapshot = file(t, JSON.stringify(sketch))
  // WHEN the signal fires right after the start
  const controller = new AbortController()
  const running = snapshots.analyzeHeapSnapshot(snapshot, { signal: controller.signal })
  controller.abort()
  // THEN the run ends with its code
  await assert.rejects(running, { code: 'ERR_OFFHEAP_ABORTED' })
})

test('an onProgress that throws is not called again, a warning says so, and the run goes on', async (t) => {
  const fifo = `${temporaryFolder(t)}/pipe`
  require('node:child_process').execFileSync('mkfifo', [fifo])
  // GIVEN a pipe that stays silent until progress has been reported
  const calls = []
  const warned = once(process, 'warning')
  const running = snapshots.analyzeHeapSnapshot(fifo, {
    onProgress (progress) {
      calls.push(progress)
      // The pipe goes on long after the next report is due.
      setTimeout(() => writer.end(leakySketch().json().slice(1)), 300)
      throw new Error('a broken bar')
    }
  })
  const writer = fs.createWriteStream(fifo)
  writer.write('{')
  const { nodeCount } = await running
  const [warning] = await warned
  assert.strictEqual(nodeCount, 23)
  assert.deepStrictEqual(calls, [{ phase: 'read', fraction: 0 }])
  assert.deepStrictEqual([warning.name, warning.code], ['OffheapWarning', 'ERR_OFFHEAP_LISTENER_FAILED'])
  assert.match(warning.message, /analyzeHeapSnapshot\(\) threw and is not called again: a broken bar/)
}, { timeout: 240_000 })

test('the synchronous analysis gives the same result', async (t) => {
  const snapshot = file(t, leakySketch().json())
  const { durationMs: _, ...wanted } = await snapshots.analyzeHeapSnapshot(snapshot)
  const { durationMs: __, ...result } = analyzeHeapSnapshotSync(snapshot)

  assert.deepStrictEqual(result, wanted)
  assert.throws(() => analyzeHeapSnapshotSync(`${snapshot}.missing`), { code: 'ERR_OFFHEAP_SNAPSHOT_READ_FAILED' })
})
