'use strict'

const test = require('node:test')
const assert = require('node:assert')
const { spawn } = require('node:child_process')
const fs = require('node:fs')
const os = require('node:os')
const path = require('node:path')
const { isAlive, untilDead } = require('./helpers/dead.js')
const { fixtures, runFixture } = require('./helpers/node.js')
const { support } = require('../..')

const { available, reason } = support().probe
const skip = available ? false : `no probe here: ${reason}`

async function run (scenario, args = [], options) {
  const result = await runFixture('lifecycle.js', [scenario, ...args], options)
  assert.deepStrictEqual([result.code, result.signal], [0, null], result.stderr)
  assert.strictEqual(result.said.error, undefined)
  return result.said
}

test('a service that is killed takes the child with it', { skip }, async () => {
  const service = spawn(process.execPath, [path.join(fixtures, 'lifecycle.js'), 'hang'], { stdio: ['ignore', 'pipe', 'inherit'] })
  const { child } = JSON.parse(await new Promise((resolve) => service.stdout.once('data', resolve)))
  assert.ok(isAlive(child))
  service.kill('SIGKILL')
  await untilDead(child)
})

test('process.exit() during a snapshot ends at once with its code, and leaves neither child nor file', { skip }, async (t) => {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'offheap-probe-'))
  t.after(() => fs.rmSync(directory, { recursive: true, force: true }))
  const result = await runFixture('lifecycle.js', ['exit', directory])
  assert.deepStrictEqual([result.code, result.signal], [7, null], result.stderr)
  await untilDead(result.said.child)
  assert.deepStrictEqual(fs.readdirSync(directory), [])
})

test('a worker that is terminated takes its probe with it, and the next probe works', { skip }, async () => {
  assert.deepStrictEqual(await run('workerEnds'), { next: 'works', children: [] })
})

test('workers terminated at any moment of a probe leave the process able to probe', { skip }, async () => {
  assert.deepStrictEqual(await run('workersEndAtTheFork'), { outcomes: ['works'] })
})

test('from a worker the snapshot is of that worker\'s heap', { skip }, async () => {
  assert.deepStrictEqual(await run('workerHeap'), { kept: 77, counted: 77 })
})

test('of two threads at once the second gets ERR_OFFHEAP_PROBE_IN_PROGRESS', { skip }, async () => {
  assert.deepStrictEqual(await run('twoThreads'), { inTheOther: 'ERR_OFFHEAP_PROBE_IN_PROGRESS', afterwards: 'ok' })
})

test('the exit events of the service\'s own children are undisturbed', { skip }, async () => {
  assert.deepStrictEqual(await run('childProcesses'), {
    codes: [0, 1, 2, 3, 4, 10, 11, 12, 13, 14],
    signals: new Array(10).fill(null),
    heard: true,
    leftovers: []
  })
})

test('after a probe the service\'s mappings carry the same VmFlags as before', { skip }, async () => {
  const { leftOut, compared, changed } = await run('flags')
  assert.ok(leftOut > 20, `${leftOut} mappings that forks leave out`)
  assert.ok(compared > 0.9, `${compared} of the mappings are still there`)
  assert.deepStrictEqual(changed, [])
})

test('onProgress sees the bytes grow', { skip }, async () => {
  assert.deepStrictEqual(await run('progress'), {
    first: { phase: 'generate', byteLength: 0 },
    phases: ['serialize'],
    rises: true,
    within: true,
    kept: 80_000
  })
})

test('the child holds no connection open, and has nothing open but /dev/null and its own pipes', { skip }, async () => {
  assert.deepStrictEqual(await run('descriptors'), { kinds: ['/dev/null', 'pipe'], pipes: 2, stillRuns: true })
})
