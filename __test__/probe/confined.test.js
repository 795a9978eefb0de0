'use strict'

const test = require('node:test')
const assert = require('node:assert')
const path = require('node:path')
const { runChildForJson } = require('../helpers/child.js')
const { emptyFolder } = require('../helpers/folder.js')
const { support } = require('../..')

const { available, reason } = support().probe
const skip = available ? false : `no probe here: ${reason}`
const script = path.join(__dirname, 'fixtures', 'confined.js')
const scenario = (name, args = [], options = {}) => runChildForJson(script, { args: [name, ...args], timeoutMs: 120_000, ...options })
const line = Number(process.versions.node.split('.')[0])

test('a child can read files and cannot change, make or remove any', { skip }, async (t) => {
  const { said, files, contents, mode } = await scenario('files', [emptyFolder(t)])

  const change = new Array(8).fill('EROFS')
  assert.deepStrictEqual(said, [...change, 'EBADF', 'before', 1])
  assert.deepStrictEqual([files, contents, mode & 0o111], [['kept'], 'before', 0])
})

test('a child that runs out of heap writes neither snapshots nor reports into the service\'s folder', { skip }, async (t) => {
  const folder = emptyFolder(t)
  const { outcome, files } = await scenario('outOfHeap', [folder], { execArgv: ['--max-old-space-size=64', '--heapsnapshot-near-heap-limit=3', '--report-on-fatalerror', `--report-directory=${folder}`] })

  assert.deepStrictEqual([outcome, files], ['ERR_OFFHEAP_PROBE_CRASHED', []])
})

test('an access beyond a WebAssembly memory throws in a child as in the service, and another bad access ends it', { skip }, async () => {
  const { service, child, crashed } = await scenario('wasm')

  assert.deepStrictEqual(service, [0, 'RuntimeError', 'RuntimeError', 0])
  assert.deepStrictEqual(child, service)
  assert.strictEqual(crashed, 'ERR_OFFHEAP_PROBE_CRASHED')
})

test('a bad access ends the child of a service that listens for SIGSEGV', { skip }, async () => {
  assert.strictEqual(await scenario('segfaultListener'), 'ERR_OFFHEAP_PROBE_CRASHED')
})

test('a database that a child closes keeps its journal', { skip: skip || (line < 24 ? 'node:sqlite needs no flag from Node 24 on' : false) }, async (t) => {
  const { before, after, left } = await scenario('database', [emptyFolder(t)])

  assert.deepStrictEqual(before, ['data.db', 'data.db-journal'])
  assert.deepStrictEqual(after, before)
  assert.strictEqual(left, 0)
})

for (const how of ['object', 'pid']) {
  test(`a service whose process ${how === 'pid' ? 'id cannot be redefined' : 'object is frozen'} gets its probes and snapshots, and ends`, { skip }, async (t) => {
    assert.deepStrictEqual(await scenario('frozen', [emptyFolder(t), how], { timeoutMs: 60_000 }), {
      // What nobody can listen for is refused, and leaves no Monitor that nobody could stop.
      values: [2, 2], snapshot: 'probe', monitor: how === 'pid' ? 'stopped' : 'TypeError', detectors: 0
    })
  })
}
