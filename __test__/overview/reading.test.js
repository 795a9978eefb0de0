'use strict'

// reading(): what an exporter or another framework takes its figures from.

const test = require('node:test')
const assert = require('node:assert')
const { threadId } = require('node:worker_threads')
const offheap = require('../..')
const { runChildForJson } = require('../helpers/child.js')
const { fixtureAddon } = require('../helpers/fixture-addon.js')

const { createRouteContext, reading, track } = offheap
const { file, skip } = fixtureAddon('everything')

/** All texts in a value that are no names of its properties. */
function texts (value) {
  if (typeof value === 'string') return [value]
  return value === null || typeof value !== 'object' ? [] : Object.values(value).flatMap(texts)
}

test('reading() contains the results of the functions, under their names', () => {
  const held = track(Buffer.alloc(70_001), { label: 'of the reading' })
  const { at, memory, externalAllocations, bufferProfile, addons, ownReferences, ...rest } = reading()

  assert.strictEqual(new Date(at).toISOString(), at)
  assert.ok(Math.abs(Date.now() - Date.parse(at)) < 60_000)
  assert.deepStrictEqual(rest, { pid: process.pid, threadId, requestCounts: {} })
  assert.deepStrictEqual(Object.keys(memory), Object.keys(offheap.memory()))
  assert.deepStrictEqual(externalAllocations, offheap.externalAllocations())
  assert.strictEqual(externalAllocations.labels['of the reading'].liveBytes, held.length)
  assert.deepStrictEqual(bufferProfile, offheap.bufferProfile({ sites: false }))
  assert.deepStrictEqual(ownReferences, offheap.support().ownReferences)
  assert.strictEqual(addons, null)
})

test('a route context that is settled counts once under its route, for any framework', () => {
  const before = reading().requestCounts
  const context = createRouteContext(() => 'GET /items/:id')
  context.run(() => {})
  assert.deepStrictEqual(reading().requestCounts, before)
  context.settle()
  context.settle()
  createRouteContext('GET /items/:id').settle()
  createRouteContext('__proto__').settle()
  createRouteContext(() => undefined).settle()
  createRouteContext(() => 'x'.repeat(300)).settle()

  assert.deepStrictEqual(Object.entries(reading().requestCounts), [['GET /items/:id', 2], ['__proto__', 1], ['(no route)', 1], [`${'x'.repeat(255)}…`, 1]])
})

test('request counts keep a thousand routes apart and count the others together', async () => {
  const counts = await runChildForJson(`
    const { createRouteContext, reading } = require(${JSON.stringify(require.resolve('../..'))})
    for (let n = 0; n < 1_200; n++) createRouteContext('GET /' + n).settle()
    createRouteContext('GET /7').settle()
    console.log(JSON.stringify(reading().requestCounts))
  `)

  assert.strictEqual(Object.keys(counts).length, 1_001)
  assert.deepStrictEqual([counts['GET /999'], counts['GET /7'], counts['(other)']], [1, 2, 200])
})

test('while addons are watched, reading() has a row for each addon and no path of the machine', { skip }, () => {
  const watch = offheap.watchAddons({ stacks: { everyNth: 1 } })
  const addon = require(file)
  const first = addon.references(37, 1)
  const said = reading()
  const row = said.addons.find(({ name }) => file.endsWith(name))

  assert.deepStrictEqual([row.references.liveCount, row.coverage, row.threadId], [37, 'full', 0])
  const { id, file: rowFile, osThreadId, coverageReason, stacks, ...known } = offheap.addons().rows.find((each) => each.file === file)
  assert.deepStrictEqual(row, known)
  assert.deepStrictEqual(texts(said).filter((text) => /[/\\]/.test(text)), [])
  watch.stop()
  assert.strictEqual(reading().addons, null)
  addon.deleteReference(first)
})
