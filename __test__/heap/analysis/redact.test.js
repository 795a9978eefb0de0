'use strict'

const test = require('node:test')
const assert = require('node:assert')
const fs = require('node:fs')
const zlib = require('node:zlib')
const snapshots = require('../../../analysis.js')
const { inChild } = require('./helpers/real.js')
const { Sketch, file, temporaryFolder } = require('./helpers/sketch.js')

test('no secret survives in any kind of string, and every name does', async (t) => {
  // GIVEN secrets in strings of every kind, in Buffers, URLs, regexps and as keys and values of collections
  const folder = temporaryFolder(t)
  const out = inChild(folder, `
    const part = () => 'hunter2-' + process.pid
    globalThis.vault = {
      plain: 'hunter2-plain-' + 'x'.repeat(20),
      concatenated: part() + ' and a long tail so that V8 keeps two parts: ' + part(),
      long: 'hunter2'.repeat(1000),
      buffer: Buffer.from('hunter2-in-a-buffer'),
      bufferText: Buffer.from('hunter2-from-a-buffer').toString(),
      url: new URL('https://hunter2-user:hunter2-password@hunter2.example/hunter2?token=hunter2'),
      regexp: new RegExp('hunter2-[a-z]+'),
      error: new Error('hunter2 in a message'),
      symbol: Symbol('hunter2 in a description'),
      date: new Date(),
      unicode: 'hünter2 \\u{1f511} hunter2'
    }
    vault.sliced = vault.long.slice(5, 900)
    vault.flat = JSON.stringify(vault.concatenated)
    class KeepMyName { constructor () { this.keepThisProperty = 'hunter2 in a field' } }
    globalThis.map = new Map([['hunter2 as a key', new KeepMyName()], [1, 'hunter2 as a value']])
    globalThis.set = new Set(['hunter2 in a set'])
    globalThis.weak = new WeakMap()
    globalThis.key = { it: 1 }
    weak.set(key, part() + '-weak value')
    weak.set(globalThis.key2 = [1], 'hunter2 directly in a WeakMap')
    globalThis.keepThisFunction = function keepThisFunction () { return vault }
    snapshot(0)
  `)
  const original = fs.readFileSync(out(0), 'latin1')
  assert.ok(original.includes('hunter2'))
  // WHEN the snapshot is redacted
  const redacted = `${folder}/redacted.heapsnapshot`
  const result = await snapshots.redactHeapSnapshot(out(0), redacted)
  // THEN no secret is left, in any case of letters and with any escapes
  const text = fs.readFileSync(redacted, 'latin1')
  assert.doesNotMatch(text, /hunter2/i)
  assert.doesNotMatch(text, /hunt|nter2|h\\u00fcnter2/i)
  for (const name of ['KeepMyName', 'keepThisProperty', 'keepThisFunction', 'vault']) assert.ok(text.includes(`"${name}"`), name)
  assert.ok(result.redactedCount > 1000)
  assert.strictEqual(result.file, redacted)
  assert.strictEqual(result.snapshotBytes, fs.statSync(redacted).size)
  assert.strictEqual(fs.statSync(redacted).mode & 0o777, 0o600)
  // AND the graph is the same to every number
  const analyze = async (path) => {
    const { totals, classes, largest, nodeCount, edgeCount, closures } = await snapshots.analyzeHeapSnapshot(path, { top: 1000 })
    const numbers = ({ name, id, count, shallowBytes, retainedBytes, distance }) => ({ name: id === undefined ? name : id, count, shallowBytes, retainedBytes, distance })
    return { totals, nodeCount, edgeCount, classes: classes.map(numbers), largest: largest.map(numbers), places: closures.map(({ name, line, column, count }) => [name, line, column, count]) }
  }
  assert.deepStrictEqual(await analyze(redacted), await analyze(out(0)))
  // AND the strings are as many, so that any other tool reads the file
  const parsed = JSON.parse(text)
  assert.strictEqual(parsed.strings.length, JSON.parse(fs.readFileSync(out(0), 'utf8')).strings.length)
})

test('a WeakMap entry keeps its ids and loses its texts', async (t) => {
  const sketch = new Sketch()
  const global = sketch.node('object', 'global', 8)
  const key = sketch.node('object', 'Key', 8)
  const value = sketch.node('string', 'pa$$word) -> value (x @1) pair in WeakMap (table @2)', 8)
  const table = sketch.node('array', '', 8)
  const name = (index) => `${index} / part of key (Key @5) -> value (pa$$word) -> value (x @1) pair in WeakMap (table @2) @7) pair in WeakMap (table @9)`
  sketch.edge(0, 'shortcut', '1', global).edge(global, 'property', 'key', key).edge(global, 'property', 'table', table)
    .edge(table, 'internal', name(1), value).edge(key, 'internal', name(2), value)
  const out = `${temporaryFolder(t)}/out.heapsnapshot`
  await snapshots.redactHeapSnapshot(file(t, sketch.json()), out)
  const { strings } = JSON.parse(fs.readFileSync(out, 'utf8'))

  assert.ok(!strings.join().includes('pa$$word'))
  assert.match(strings.find((text) => text.startsWith('1 / part')), /^1 \/ part of key \(\[3 chars [0-9a-f]{16}\] @5\) -> value \(\[\d+ chars [0-9a-f]{16}\] @7\) pair in WeakMap \(table @9\)$/)
})

test('attributes of Chrome\'s elements and unknown sections are left out', async (t) => {
  const sketch = new Sketch()
  sketch.edge(0, 'shortcut', '1', sketch.node('native', 'Detached <a href="https://secret.example/?token=s3cret">', 8))
  const json = sketch.json().replace('"samples":[]', '"samples":[],"notes":["s3cret"]').replace('"snapshot":{', '"snapshot":{"title":"s3cret",')
  const out = `${temporaryFolder(t)}/out.heapsnapshot`
  await snapshots.redactHeapSnapshot(file(t, json), out)
  const text = fs.readFileSync(out, 'utf8')

  assert.doesNotMatch(text, /s3cret|secret/)
  assert.ok(JSON.parse(text).strings.includes('Detached <a>'))
})

test('one salt gives equal strings equal hashes in every file; without one no two runs agree', async (t) => {
  const sketch = new Sketch()
  sketch.edge(0, 'shortcut', '1', sketch.node('string', 'the same', 8))
  const input = file(t, sketch.json())
  const folder = temporaryFolder(t)
  let number = 0
  const redact = async (options) => {
    const out = `${folder}/${number++}.heapsnapshot`
    await snapshots.redactHeapSnapshot(input, out, options)
    return JSON.parse(fs.readFileSync(out, 'utf8')).strings.find((text) => text.startsWith('[8 chars '))
  }
  const salt = 'sixteen characters at least'

  assert.strictEqual(await redact({ salt }), await redact({ salt }))
  assert.notStrictEqual(await redact({ salt }), await redact({ salt: `${salt}!` }))
  assert.notStrictEqual(await redact(), await redact())
})

test('a name in .gz is written as gzip', async (t) => {
  const sketch = new Sketch()
  sketch.edge(0, 'shortcut', '1', sketch.node('object', 'global', 8))
  const out = `${temporaryFolder(t)}/out.heapsnapshot.gz`
  const { snapshotBytes } = await snapshots.redactHeapSnapshot(file(t, sketch.json()), out)

  assert.strictEqual(zlib.gunzipSync(fs.readFileSync(out)).length, snapshotBytes)
  assert.strictEqual((await snapshots.analyzeHeapSnapshot(out)).nodeCount, 2)
})

test('an existing file, a symlink too, is never overwritten, and a failure leaves nothing behind', async (t) => {
  const folder = temporaryFolder(t)
  const sketch = new Sketch()
  sketch.edge(0, 'shortcut', '1', sketch.node('object', 'global', 8))
  const input = file(t, sketch.json())
  fs.writeFileSync(`${folder}/there`, 'mine')
  fs.symlinkSync(`${folder}/nowhere`, `${folder}/link`)

  for (const out of [`${folder}/there`, `${folder}/link`, `${folder}/no/such/folder`, folder]) {
    await assert.rejects(snapshots.redactHeapSnapshot(input, out), { code: 'ERR_OFFHEAP_SNAPSHOT_WRITE_FAILED' })
  }
  await assert.rejects(snapshots.redactHeapSnapshot(file(t, '{"snapshot":'), `${folder}/broken`), { code: 'ERR_OFFHEAP_SNAPSHOT_TRUNCATED' })
  assert.deepStrictEqual(fs.readdirSync(folder).sort(), ['link', 'there'])
  assert.strictEqual(fs.readFileSync(`${folder}/there`, 'utf8'), 'mine')
})
