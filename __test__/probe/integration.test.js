'use strict'

const test = require('node:test')
const assert = require('node:assert')
const { spawn } = require('node:child_process')
const fs = require('node:fs')
const os = require('node:os')
const path = require('node:path')
const { untilDead } = require('./helpers/dead.js')
const { ended } = require('../helpers/child.js')
const { fixtures, runFixture } = require('./helpers/node.js')
const { support } = require('../..')

const { available, reason } = support().probe
const skip = available ? false : `no probe here: ${reason}`

function folder (t) {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'offheap-probe-'))
  t.after(() => fs.rmSync(directory, { recursive: true, force: true }))
  return directory
}

async function run (t, scenario) {
  const { code, signal, stderr, said } = await runFixture('integration.js', [scenario, folder(t)])
  assert.deepStrictEqual([code, signal], [0, null], stderr)
  assert.strictEqual(said.error, undefined)
  return said
}

test('writeHeapSnapshot() uses the probe by default, and its file is complete in every mode', { skip }, async (t) => {
  const { said, others, kept } = await run(t, 'modes')
  const probe = { mode: 'probe', attempts: 1, hasPeak: true, scratch: 'memory', comparableIds: false, count: kept }
  assert.deepStrictEqual(said, {
    '{}': probe,
    '{"mode":"probe"}': probe,
    '{"mode":"probe","gzip":true}': { ...probe, count: null },
    '{"scratch":"disk"}': { ...probe, scratch: 'disk' },
    '{"mode":"in-process"}': { mode: 'in-process', attempts: 1, hasPeak: false, scratch: null, comparableIds: true, count: kept }
  })
  assert.deepStrictEqual(others, [])
})

test('where there is no probe it stops the process only with fallback: true', { skip }, async (t) => {
  const unsupported = 'ERR_OFFHEAP_UNSUPPORTED_PLATFORM'
  assert.deepStrictEqual(await run(t, 'fallback'), { refused: unsupported, forced: unsupported, mode: 'in-process' })
})

test('with a baseline, snapshots of two children number the same objects alike', { skip }, async (t) => {
  assert.deepStrictEqual(await run(t, 'ids'), { withoutBaseline: [false, false], withBaseline: [true, true], same: true, kept: 246 })
})

test('a threshold of the Monitor writes its snapshot through the probe', { skip }, async (t) => {
  assert.deepStrictEqual(await run(t, 'threshold'), { mode: 'probe', metric: 'heapUsed', count: 246 })
})

/** Where a file system has no nameless files, a killed process leaves one that says so in its name. */
function finished (directory) {
  return fs.readdirSync(directory).filter((name) => !name.endsWith('.partial'))
}

test('an abort waits no longer than delayAbortMs, and then ends the child too', { skip }, async (t) => {
  const directory = folder(t)
  const { signal, said } = await runFixture('integration.js', ['abortWhileWriting', directory])
  assert.strictEqual(signal, 'SIGABRT')
  await untilDead(said.child)
  assert.deepStrictEqual(finished(directory), [])
})

test('a SIGABRT from another process is not delayed', { skip }, async (t) => {
  const directory = folder(t)
  const service = spawn(process.execPath, [path.join(fixtures, 'integration.js'), 'stoppedWhileWriting', directory], { stdio: ['ignore', 'pipe', 'pipe'] })
  const end = ended(service, { timeoutMs: 120_000, mayBeKilled: true })
  const { child } = JSON.parse(await new Promise((resolve) => service.stdout.once('data', resolve)))
  service.kill('SIGABRT')
  assert.strictEqual((await end).signal, 'SIGABRT')
  await untilDead(child)
  assert.deepStrictEqual(finished(directory), [])
})

test('SIGABRT has a handler only while a snapshot with delayAbortMs is written', { skip }, async (t) => {
  assert.deepStrictEqual(await run(t, 'abortIsItselfAgain'), { during: [1, 'without: 0'], after: 0, afterFailure: 0 })
})

test('a Monitor delays an abort for snapshots of its heapUsed threshold only', { skip }, async (t) => {
  assert.deepStrictEqual(await run(t, 'abortUnderAMonitor'), { heapUsed: true, rss: false })
})
