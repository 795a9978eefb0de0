'use strict'

const test = require('node:test')
const assert = require('node:assert')
const path = require('node:path')
const { support } = require('../../..')
const { runChild } = require('../../helpers/child.js')

const fixture = path.join(__dirname, 'fixtures', 'lifecycle.js')
const { available, reason } = support().probe
const skip = available ? false : `no probe here: ${reason}`
const modes = available ? ['probe', 'in-process'] : ['in-process']
const [major] = process.versions.node.split('.').map(Number)
const permission = [major >= 24 ? '--permission' : '--experimental-permission', '--allow-fs-read=*', '--allow-addons']

async function run (scenario, args = [], execArgv = []) {
  const { code, stdout, stderr } = await runChild(fixture, { args: [scenario, ...args], execArgv, timeoutMs: 120_000 })
  assert.strictEqual(code, 0, stderr)
  const said = JSON.parse(stdout.trim().split('\n').pop())
  assert.strictEqual(said.error, undefined)
  return said
}

test('an abort signal ends a census, before and while it is taken', { skip }, async () => {
  assert.deepStrictEqual(await run('aborted'), { before: 'ERR_OFFHEAP_ABORTED', sameReason: true, after: 'probe' })
})

test('a census that takes too long is ended', { skip }, async () => {
  assert.deepStrictEqual(await run('timeout'), { code: 'ERR_OFFHEAP_PROBE_TIMEOUT', after: 'probe' })
})

test('a call with the same options joins the running census, other options are refused, and an abort ends one caller only', { skip }, async () => {
  assert.deepStrictEqual(await run('together'), {
    sameCensus: true, separateObjects: true, other: 'ERR_OFFHEAP_CENSUS_IN_PROGRESS', leaver: 'ERR_OFFHEAP_ABORTED', next: 'probe'
  })
})

test('a census waits for a running probe', { skip }, async () => {
  assert.deepStrictEqual(await run('besideProbe'), { mode: 'probe', slow: 'done' })
})

test('where there is no probe, the process is stopped only when that was asked for', async () => {
  const unsupported = 'ERR_OFFHEAP_UNSUPPORTED_PLATFORM'
  assert.deepStrictEqual(await run('unsupported'), { auto: unsupported, probe: unsupported, fallback: 'in-process', inProcess: 'in-process' })
})

test('a worker thread takes the census of its own isolate, at the same time as the main thread', { skip }, async () => {
  assert.deepStrictEqual(await run('worker'), { mine: ['probe', [7_654_321]], its: ['probe', [1_234_567]], inProcess: [1_234_567] })
})

for (const mode of modes) {
  test(`the state of the host is unchanged, its debugger session included (${mode})`, async () => {
    assert.deepStrictEqual(await run('host', [mode]), {
      modes: [mode, mode],
      found: 3_456_789,
      prepare: true,
      stack: 'mine: x',
      evaluated: 2,
      debuggerWasThere: true,
      leftovers: true,
      globals: []
    })
  })

  test(`a realm that cannot be read counts as unseen (${mode})`, async () => {
    assert.deepStrictEqual(await run('hardRealm', [mode]), {
      realms: { count: 3, readCount: 2, unseenCount: 1, method: 'inspector' }, found: [2_345_679], own: 'theirs'
    })
  })
}

for (const mode of modes) {
  test(`with enough time, every realm is read completely (${mode})`, async () => {
    assert.deepStrictEqual(await run('manyRealms', [mode, '2', '{"maxPauseMs":60000}']), {
      complete: true,
      missing: [],
      realms: { count: 3, readCount: 3, unseenCount: 0, method: 'inspector' },
      lowerLimits: false,
      stores: 2,
      streams: 2,
      paths: 0,
      inTime: true,
      marks: 0
    })
  })
}

test('a census in the process with a short maxPauseMs reads only the main realm, says so, and leaves nothing in other realms', async () => {
  assert.deepStrictEqual(await run('manyRealms', ['in-process', '5', '{"maxPauseMs":1,"retainers":true}']), {
    complete: false,
    missing: ['realms', 'retainers'],
    realms: { count: 6, readCount: 1, unseenCount: 5, method: 'inspector' },
    lowerLimits: true,
    stores: 0,
    streams: 0,
    paths: 0,
    inTime: true,
    marks: 0
  })
})

test('six censuses leave nothing behind', async () => {
  const { before, after } = await run('repeated', [modes[0]])
  assert.deepStrictEqual(after, before)
})

for (const flag of ['--frozen-intrinsics', '--disable-proto=delete', '--disallow-code-generation-from-strings', '--enable-source-maps']) {
  test(`it works with ${flag}`, async () => {
    const seen = { realms: { count: 1, readCount: 1, unseenCount: 0, method: 'inspector' }, found: 8_765_433, slabs: true }
    assert.deepStrictEqual(await run('hidden', modes, [flag]), Object.fromEntries(modes.map((mode) => [mode, seen])))
  })
}

test('with --permission and without the inspector the child finds the same in another way', { skip }, async () => {
  assert.deepStrictEqual(await run('hidden', ['probe'], permission), {
    probe: { realms: { count: 1, readCount: 1, unseenCount: 0, method: 'query-objects' }, found: 8_765_433, slabs: true }
  })
})

test('with --permission and without the inspector there is no census in the process', async () => {
  assert.deepStrictEqual(await run('refused', [], permission), { code: 'ERR_OFFHEAP_UNSUPPORTED_PLATFORM' })
})
