'use strict'

const test = require('node:test')
const assert = require('node:assert')
const fs = require('node:fs')
const os = require('node:os')
const path = require('node:path')
const { countClass } = require('./fixtures/snapshots.js')
const { root } = require('../helpers/child.js')
const { runFixture } = require('./helpers/node.js')
const { support } = require('../..')

const { available, reason } = support().probe
const skip = available ? false : `no probe here: ${reason}`
const major = Number(process.versions.node.split('.')[0])

/** A probe and a snapshot under these flags; the service ends as it would have without us. */
async function works (t, { execArgv = [], env, cwd } = {}) {
  const directory = folder(t)
  const result = await runFixture('flags.js', [directory], { execArgv, env, cwd, ownPipe: true })
  assert.deepStrictEqual([result.code, result.signal], [0, null], result.stderr)
  assert.strictEqual(result.said.code, undefined, result.said.message)
  assert.deepStrictEqual([result.said.value, result.said.mode], [321, 0o600])
  assert.strictEqual(countClass(fs.readFileSync(path.join(directory, 'a.partial')), 'KeptByTheService'), 321)
  return result
}

function folder (t) {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'offheap-probe-'))
  t.after(() => fs.rmSync(directory, { recursive: true, force: true }))
  return directory
}

for (const execArgv of [['--single-threaded'], ['--jitless'], ['--v8-pool-size=0'], ['--trace-gc']]) {
  test(`works with ${execArgv.join(' ')}`, { skip }, async (t) => { await works(t, { execArgv }) })
}

test('works with a debugger port open', { skip }, async (t) => {
  await works(t, { execArgv: ['--inspect=127.0.0.1:0'] })
})

test('works under --cpu-prof, and the service writes its one profile', { skip }, async (t) => {
  const cwd = folder(t)
  await works(t, { execArgv: ['--cpu-prof', `--cpu-prof-dir=${cwd}`], cwd })
  assert.strictEqual(fs.readdirSync(cwd).filter((name) => name.endsWith('.cpuprofile')).length, 1)
})

test('works under --heap-prof, and the service writes its one profile', { skip }, async (t) => {
  const cwd = folder(t)
  await works(t, { execArgv: ['--heap-prof', `--heap-prof-dir=${cwd}`], cwd })
  assert.strictEqual(fs.readdirSync(cwd).filter((name) => name.endsWith('.heapprofile')).length, 1)
})

test('works under NODE_V8_COVERAGE, and the service writes its one report', { skip }, async (t) => {
  const coverage = folder(t)
  await works(t, { env: { NODE_V8_COVERAGE: coverage } })
  assert.strictEqual(fs.readdirSync(coverage).length, 1)
})

test('works under --permission --allow-addons, without a grant to write', { skip: skip || (major < 22 ? '--permission is experimental on Node 20' : false) }, async (t) => {
  const directory = folder(t)
  const result = await runFixture('flags.js', [directory], { execArgv: ['--permission', '--allow-addons', `--allow-fs-read=${root}`, `--allow-fs-read=${directory}`], ownPipe: true })
  assert.deepStrictEqual([result.code, result.signal], [0, null], result.stderr)
  assert.strictEqual(result.said.code, undefined, result.said.message)
  assert.deepStrictEqual([result.said.value, result.said.mode], [321, 0o600])
})

test('works in a process that closed its standard descriptors', { skip }, async (t) => {
  const directory = folder(t)
  const result = await runFixture('closed-descriptors.js', [directory])
  assert.deepStrictEqual([result.code, result.signal], [0, null], result.stderr)
  assert.deepStrictEqual(JSON.parse(fs.readFileSync(path.join(directory, 'said.json'), 'utf8')), { value: 42 })
})

for (const flag of ['--shared-string-table', '--use-largepages=silent']) {
  test(`${flag}: support() and the probe agree`, { skip }, async () => {
    const { said } = await runFixture('agree.js', [], { execArgv: [flag] })
    assert.strictEqual(said.available, said.works, JSON.stringify(said))
    if (!said.available) assert.ok(said.reason.includes(flag), said.reason)
  })
}
