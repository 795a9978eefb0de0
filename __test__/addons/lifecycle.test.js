'use strict'

const test = require('node:test')
const assert = require('node:assert')
const path = require('node:path')
const { spawnSync } = require('node:child_process')
const { runChild, runChildForJson } = require('../helpers/child.js')
const { emptyFolder } = require('../helpers/folder.js')
const { fixtureAddon } = require('../helpers/fixture-addon.js')

const script = path.join(__dirname, 'fixtures', 'lifecycle.js')
const { file, skip } = fixtureAddon('everything')
const story = (...args) => runChildForJson(script, { args, execArgv: ['--expose-gc'], timeoutMs: 240_000 })

test('each thread has a row of its own, which is gone with its thread', { skip }, async () => {
  const { during, after } = await story('workers', file)

  // -1 is the main thread.
  assert.deepStrictEqual(during, [[-1, 3, 'full'], [0, 5, 'full'], [1, 7, 'full']])
  assert.deepStrictEqual(after, [[-1, 3]])
})

test('an addon shows no growth after 16 workers have loaded it, used it and ended', { skip }, async () => {
  const { rows, growth, read } = await story('churn', file, '16')

  assert.deepStrictEqual(rows, [[0, 5]])
  assert.strictEqual(growth.references, 2)
  // Nothing is added up natively that nobody is shown.
  assert.strictEqual(read, 1)
})

test('an addon that is loaded twice in one thread is counted in both', { skip }, async () => {
  const { lives, finalized } = await story('twice', file)

  assert.strictEqual(lives.reduce((sum, count) => sum + count, 0), 8)
  assert.deepStrictEqual(finalized, [0, 0])
})

test('two copies of an addon are two addons', { skip }, async (t) => {
  assert.deepStrictEqual(await story('copies', file, emptyFolder(t)), { first: [3], second: [5], names: ['copy.node'] })
})

for (const kind of ['plt', 'no-plt', 'dlsym']) {
  test(`calls of a library that an addon opens count as the addon's (${kind})`, { skip }, async () => {
    const { opener, inner } = await story('opened', file, fixtureAddon('everything', kind === 'plt' ? 'relro' : kind).file)

    assert.deepStrictEqual(opener, [8])
    // It has no environment of its own.
    assert.deepStrictEqual(inner.filter((count) => count !== null && count !== 0), [])
  })
}

test('an addon in a package has the package\'s name', { skip }, async (t) => {
  assert.deepStrictEqual(await story('packaged', file, emptyFolder(t)), ['@scope/native'])
})

for (const kind of ['plt', 'no-plt', 'dlsym', 'constructor']) {
  test(`a watch can end and a new one begin (${kind})`, { skip }, async () => {
    const { counted, stopped, late, deleted } = await story('restored', fixtureAddon('everything', kind).file)

    assert.deepStrictEqual(counted, [3])
    assert.deepStrictEqual(stopped, [['none', true]])
    // The eight of before are unknown now, and so is their deletion.
    assert.deepStrictEqual(late, [['partial', 7]])
    assert.deepStrictEqual(deleted, [6])
  })

  test(`finalizers that were created during the watch run correctly after it (${kind})`, { skip }, async () => {
    const { wraps, externalBuffers, finalizers, wrong } = await story('orphans', fixtureAddon('everything', kind).file)

    assert.deepStrictEqual({ wraps, externalBuffers, finalizers, wrong }, { wraps: 3, externalBuffers: 5, finalizers: 1, wrong: 0 })
  })
}

test('several watches end with the last one, and a second stop() of one does nothing', { skip }, async () => {
  assert.deepStrictEqual(await story('several', file), { one: [8], none: ['none'] })
})

test('unwatched addons have rows with null figures, never 0', { skip }, async () => {
  assert.deepStrictEqual(await story('unwatched', file), [{ coverage: 'none', why: 'string', counted: [null, null, null] }])
})

test('growth between two readings covers everything that an addon holds', { skip }, async () => {
  assert.deepStrictEqual(await story('growth', file), {
    references: 17,
    wraps: 0,
    externals: 0,
    externalBytes: 15_010,
    adjustedExternalBytes: 1_001,
    finalizers: 2,
    threadsafeFunctions: 0,
    deferreds: 0,
    asyncWorks: 0,
    asyncCleanupHooks: 0
  })
})

test('growth since a reading of another watch is null, and since a reading without a watch it is from 0', { skip }, async () => {
  const { grown, numbers } = await story('rewatch', file)

  assert.deepStrictEqual(grown, [null, 1, null, 7])
  assert.deepStrictEqual(numbers, ['number', null, true])
})

test('wraps that an addon from before the watch removes take no memory for good', { skip }, async () => {
  const { bare, watched, live } = await story('removed', file)

  assert.deepStrictEqual(live, [0])
  // A record has 64 bytes, and there were 100,000.
  assert.ok(watched - bare < 2_000_000, `${bare} bytes without a watch, ${watched} with one`)
})

test('collectedSince says whether a full collection has ended since; a minor one does not count', { skip }, async () => {
  const { afterMinor, after, copied, filtered, first } = await story('garbage', file)

  assert.strictEqual(afterMinor, false)
  // The one of 11 bytes from before the first reading is gone as well.
  assert.deepStrictEqual(after, [10_007 - 11, 0, true])
  assert.deepStrictEqual({ copied, filtered, first }, { copied: null, filtered: true, first: 'none' })
})

test('a settled reading contains no garbage, after forced collections and after the next one of V8', { skip }, async () => {
  const { forced, awaited, early, code, gone, refused, withoutSince } = await story('settled', file)

  assert.deepStrictEqual(forced, [10_007, 1, true])
  assert.deepStrictEqual(awaited, [10_007, 1, true])
  assert.deepStrictEqual({ early, code, gone, withoutSince }, { early: false, code: 'ERR_OFFHEAP_ABORTED', gone: 'ERR_OFFHEAP_ABORTED', withoutSince: false })
  assert.deepStrictEqual(refused, ['ERR_INVALID_ARG_TYPE', 'ERR_INVALID_ARG_TYPE', 'ERR_INVALID_ARG_TYPE', 'ERR_INVALID_ARG_VALUE'])
})

test('an addon whose library is unmapped with its last worker, and mapped again, is counted from its first call each time', { skip }, async () => {
  const { seen, after } = await story('unmapped', fixtureAddon('everything', 'no-plt').file)

  for (let i = 0; i < 8; i++) {
    assert.deepStrictEqual(seen[2 * i], [['full', 11 + i]])
    // Not unmapped in Node's every version; what matters is that nothing is left of the worker.
    assert.strictEqual(seen[2 * i + 1][0], 0)
  }
  assert.deepStrictEqual(after, ['none'])
})

test('calls of a library count as those of the addon that is linked with it', { skip }, async () => {
  assert.deepStrictEqual(await story('dependent', fixtureAddon('dependent', 'dependent').file), { held: [5], left: [4] })
})

test('stacks name the function that created the live things', { skip }, async () => {
  const dependent = fixtureAddon('dependent', 'dependent').file

  assert.deepStrictEqual(await story('stacks', dependent), [{
    kind: 'reference',
    liveCount: 3,
    totalCount: 5,
    symbol: 'offheap_fixture_hold',
    callers: [path.basename(fixtureAddon('helper').file), path.basename(dependent)]
  }])
})

test('Buffers and ArrayBuffers of Node\'s are counted until they are collected, on request', { skip }, async () => {
  assert.deepStrictEqual(await story('buffers', file), {
    during: [{ buffers: { liveCount: 2, liveBytes: 3_006, totalCount: 2, totalBytes: 3_006 }, arrayBuffers: { liveCount: 1, liveBytes: 5_003, totalCount: 1, totalBytes: 5_003 } }],
    after: [{ buffers: { liveCount: 0, liveBytes: 0, totalCount: 2, totalBytes: 3_006 }, arrayBuffers: { liveCount: 0, liveBytes: 0, totalCount: 1, totalBytes: 5_003 } }]
  })
})

test('counts are exact while other threads acquire and release a thread-safe function', { skip }, async () => {
  const { counts, threadsafeFunctions, references, after } = await story('hammered', file)

  assert.deepStrictEqual(counts, [1, 1, 1, 1, 1])
  assert.deepStrictEqual(threadsafeFunctions, { liveCount: 1, totalCount: 1 })
  assert.deepStrictEqual([references.liveCount, references.totalCount, references.deletedCount], [0, 5_000, 5_000])
  assert.strictEqual(after, 0)
})

test('counts of released things take no memory', { skip }, async () => {
  const { grewBytes, row: [references, wraps, externalBuffers, finalizers] } = await story('flat', file)

  assert.deepStrictEqual([references.liveCount, references.totalCount], [0, 1_500_000])
  assert.deepStrictEqual(wraps, { liveCount: 0, totalCount: 15 * 30_000 })
  assert.deepStrictEqual([externalBuffers.liveCount, externalBuffers.totalCount, finalizers.pendingCount], [0, 150_000, 0])
  // Ten rounds of 140,000 things: a byte each would be 1.4 MB; 16 bytes each, a table's entry, 22 MB.
  assert.ok(grewBytes < 12 * 2 ** 20, String(grewBytes))
})

test('process.exit() while watching ends the process with its code', { skip }, async () => {
  const { code, stderr } = await runChild(script, { args: ['exit', file, '7'], execArgv: ['--expose-gc'] })

  assert.deepStrictEqual([code, stderr], [7, ''])
})

test('a crash of an addon is that addon\'s crash, with its own stack', { skip }, async () => {
  await assert.rejects(runChild(script, { args: ['crash', file], execArgv: ['--expose-gc'] }), /ended by SIGSEGV/)

  // Where there is a debugger it shows the addon's function, called by Node, and nothing of ours between them.
  const gdb = spawnSync('gdb', ['--version'])
  if (gdb.error) return
  const { stdout } = spawnSync('gdb', ['-batch', '-nx', '-ex', 'set print thread-events off', '-ex', 'handle SIGUSR1 nostop noprint', '-ex', 'run', '-ex', 'bt 4', '--args', process.execPath, script, 'crash', file],
    { encoding: 'utf8', timeout: 120_000, env: { ...process.env, NODE_TEST_CONTEXT: undefined } })
  const frames = stdout.split('\n').filter((line) => /^#\d/.test(line))
  assert.match(frames[0] ?? stdout, /offheap_fixture_crash/)
})

test('a finalizer is not lost when an object with the same native object, wrapped before the watch, is unwrapped', { skip }, async () => {
  const bare = await story('removedUnknown', file, 'bare')
  const watched = await story('removedUnknown', file, 'watched')

  assert.strictEqual(bare.finalized.wraps, 1)
  assert.deepStrictEqual(watched.finalized, bare.finalized)
  assert.deepStrictEqual(watched.counted, [0])
})

test('SharedArrayBuffers over an addon\'s memory are counted until they are collected', { skip }, async () => {
  const seen = await story('shared', file)

  // Node 20 cannot make one.
  if (Number(process.versions.node.split('.')[0]) < 22) return assert.strictEqual(seen, null)
  assert.deepStrictEqual(seen.during, [{ externalSharedArrayBuffers: { liveCount: 3, liveBytes: 8_009, totalCount: 3, totalBytes: 8_009 }, finalizers: { pendingCount: 3 } }])
  assert.deepStrictEqual(seen.after, [{ externalSharedArrayBuffers: { liveCount: 0, liveBytes: 0, totalCount: 3, totalBytes: 8_009 }, finalizers: { pendingCount: 0 } }])
  assert.deepStrictEqual([seen.finalized.externalSharedArrayBuffers, seen.finalized.wrong], [3, 0])
})
