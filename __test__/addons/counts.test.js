'use strict'

// Every count of an addon's row, after every step of everything that Node-API can hold for it. A step names all figures that
// changed, so a figure that is not named must not have moved.

const test = require('node:test')
const assert = require('node:assert')
const path = require('node:path')
const { runChildForJson } = require('../helpers/child.js')
const { fixtureAddon } = require('../helpers/fixture-addon.js')

const script = path.join(__dirname, 'fixtures', 'counts.js')

/** The step's changes, from shorter names: `references: { liveCount: 2 }` is `references.liveCount`. */
const changes = (groups) => Object.fromEntries(Object.entries(groups).flatMap(([group, figures]) => typeof figures === 'number'
  ? [[group, figures]]
  : Object.entries(figures).map(([figure, change]) => [`${group}.${figure}`, change])))

const STEPS = [
  ['three of count 1, one of 5, two weak', { references: { liveCount: 6, strongCount: 4, weakCount: 2, totalCount: 6, countSum: 8, highestCount: 5 } }],
  ['one more through a pointer in data', { references: { liveCount: 1, strongCount: 1, totalCount: 1, countSum: 1 } }],
  ['a weak one becomes strong', { references: { strongCount: 1, weakCount: -1, countSum: 1 } }],
  ['and weak again', { references: { strongCount: -1, weakCount: 1, countSum: -1 } }],
  ['two become weak and one strong, without asking for the count', { references: { strongCount: -1, weakCount: 1, countSum: -1 } }],
  ['up to nine', { references: { countSum: 4, highestCount: 4 } }],
  ['down to eight', { references: { countSum: -1 } }],
  ['all deleted', { references: { liveCount: -7, strongCount: -4, weakCount: -3, deletedCount: 7, countSum: -11 } }],

  ['101 weak and 53 strong', { references: { liveCount: 154, strongCount: 53, weakCount: 101, totalCount: 154, countSum: 53 } }],
  ['the weak ones\' objects are collected', { references: { outlivedCount: 101 } }],
  ['the weak ones are deleted', { references: { liveCount: -101, weakCount: -101, outlivedCount: -101, deletedCount: 101 } }],
  ['the strong ones become weak', { references: { strongCount: -53, weakCount: 53, countSum: -53 } }],
  ['their objects are collected', { references: { outlivedCount: 53 } }],
  ['and they are deleted', { references: { liveCount: -53, weakCount: -53, outlivedCount: -53, deletedCount: 53 } }],

  ['five wrapped, without finalizer', { wraps: { liveCount: 5, totalCount: 5 } }],
  ['seven wrapped, with finalizer', { wraps: { liveCount: 7, totalCount: 7 }, finalizers: { pendingCount: 7 } }],
  ['three wrapped, with finalizer and reference', { references: { liveCount: 3, weakCount: 3, totalCount: 3 }, wraps: { liveCount: 3, totalCount: 3 }, finalizers: { pendingCount: 3 } }],
  ['such a reference becomes strong', { references: { strongCount: 1, weakCount: -1, countSum: 1 } }],
  ['and weak again', { references: { strongCount: -1, weakCount: 1, countSum: -1 } }],
  ['one wrap without finalizer removed', { wraps: { liveCount: -1 } }],
  ['one wrap with finalizer removed', { wraps: { liveCount: -1 }, finalizers: { pendingCount: -1 } }],
  ['two wraps with reference removed', { wraps: { liveCount: -2 }, finalizers: { pendingCount: -2 } }],
  ['an object is wrapped again', { wraps: { liveCount: 1, totalCount: 1 } }],
  ['the wrapped objects are collected', { references: { outlivedCount: 3 }, wraps: { liveCount: -12 }, finalizers: { pendingCount: -7 } }],
  ['the references that wrapping gave are deleted', { references: { liveCount: -3, weakCount: -3, outlivedCount: -3, deletedCount: 3 } }],

  ['a class', {}],
  ['37 objects of it', { wraps: { liveCount: 37, totalCount: 37 }, finalizers: { pendingCount: 37 } }],
  ['the objects are collected', { wraps: { liveCount: -37 }, finalizers: { pendingCount: -37 } }],

  ['41 finalizers', { finalizers: { pendingCount: 41 } }],
  ['two more with references', { references: { liveCount: 2, weakCount: 2, totalCount: 2 }, finalizers: { pendingCount: 2 } }],
  ['the objects with finalizers are collected', { references: { outlivedCount: 2 }, finalizers: { pendingCount: -43 } }],
  ['the references that adding finalizers gave are deleted', { references: { liveCount: -2, weakCount: -2, outlivedCount: -2, deletedCount: 2 } }],

  ['23 externals with finalizer', { externals: { liveCount: 23, totalCount: 23 }, finalizers: { pendingCount: 23 } }],
  ['four without', { externals: { liveCount: 4, totalCount: 4 } }],
  ['the externals are collected', { externals: { liveCount: -27 }, finalizers: { pendingCount: -23 } }],

  ['11 external ArrayBuffers of 10007 bytes', { externalArrayBuffers: { liveCount: 11, liveBytes: 110_077, totalCount: 11, totalBytes: 110_077 }, finalizers: { pendingCount: 11 } }],
  ['13 external Buffers of 1003 bytes', { externalBuffers: { liveCount: 13, liveBytes: 13_039, totalCount: 13, totalBytes: 13_039 }, finalizers: { pendingCount: 13 } }],
  ['an empty one', { externalBuffers: { liveCount: 1, totalCount: 1 }, finalizers: { pendingCount: 1 } }],
  ['one without finalizer', { externalBuffers: { liveCount: 1, liveBytes: 64, totalCount: 1, totalBytes: 64 } }],
  ['the external buffers are collected', {
    externalArrayBuffers: { liveCount: -11, liveBytes: -110_077 }, externalBuffers: { liveCount: -15, liveBytes: -13_103 }, finalizers: { pendingCount: -25 }
  }],

  ['5 external strings of 2003 bytes', { externalStrings: { liveCount: 5, liveBytes: 10_015, totalCount: 5, totalBytes: 10_015 }, finalizers: { pendingCount: 5 } }],
  ['4 external strings of 1009 characters of two bytes', { externalStrings: { liveCount: 4, liveBytes: 8_072, totalCount: 4, totalBytes: 8_072 }, finalizers: { pendingCount: 4 } }],
  ['the external strings are collected', { externalStrings: { liveCount: -9, liveBytes: -18_087 }, finalizers: { pendingCount: -9 } }],

  ['two Buffers of V8\'s', { buffers: { totalCount: 2, totalBytes: 3_012 } }],
  ['a Buffer copied from the addon\'s bytes', { buffers: { totalCount: 1, totalBytes: 5_003 } }],
  ['an ArrayBuffer of V8\'s', { arrayBuffers: { totalCount: 1, totalBytes: 7_001 } }],
  ['1000003 bytes declared', { adjustedExternalBytes: 1_000_003 }],
  ['400000 of them taken back', { adjustedExternalBytes: -400_000 }],
  ['and the rest', { adjustedExternalBytes: -600_003 }],

  ['three thread-safe functions', { threadsafeFunctions: { liveCount: 3, totalCount: 3 } }],
  ['one is acquired once more', {}],
  ['it is called twice, once from a thread that acquires and releases it', {}],
  ['it is released once', {}],
  ['one is released for the last time, one aborted', { threadsafeFunctions: { liveCount: -2 } }],
  ['one of two threads releases the third', {}],
  ['and so does the other', { threadsafeFunctions: { liveCount: -1 } }],

  ['five deferreds', { deferreds: { unsettledCount: 5, totalCount: 5 } }],
  ['two resolved, one rejected', { deferreds: { unsettledCount: -3 } }],

  ['three async works', { asyncWorks: { liveCount: 3, totalCount: 3 } }],
  ['one has run, with a reference to its callback meanwhile', { references: { totalCount: 1, deletedCount: 1 } }],
  ['two deleted', { asyncWorks: { liveCount: -2 } }],

  ['two async cleanup hooks', { asyncCleanupHooks: { liveCount: 2, totalCount: 2 } }],
  ['one removed', { asyncCleanupHooks: { liveCount: -1 } }],

  // The fixture makes a reference and a wrap of its own to have something to be refused.
  ['refusals', { references: { totalCount: 1, deletedCount: 1 }, wraps: { totalCount: 1 } }],
  ['a reference', { references: { liveCount: 1, strongCount: 1, totalCount: 1, countSum: 1 } }],
  ['calls while an exception is pending', { references: { totalCount: 1, deletedCount: 1 } }],
  ['it is deleted', { references: { liveCount: -1, strongCount: -1, deletedCount: 1, countSum: -1 } }],

  ['instance data', { instanceData: 1 }]
].map(([name, groups]) => [name, changes(groups)])

// What the addon's own finalizers saw.
const FINALIZED = { wraps: 44, finalizers: 43, externals: 23, externalArrayBuffers: 11, externalBuffers: 14, externalStrings: 9, externalSharedArrayBuffers: 0, threadsafeFunctions: 3, instanceData: 0, wrong: 0 }

for (const kind of ['plt', 'relro', 'no-plt', 'dlsym', 'constructor']) {
  const { file, skip } = fixtureAddon('everything', kind)

  test(`every count of an addon is exact (${kind})`, { skip }, async () => {
    const { row, steps, finalized } = await runChildForJson(script, { args: [file, 'first'], execArgv: ['--expose-gc'] })

    assert.deepStrictEqual(steps, STEPS)
    assert.deepStrictEqual(finalized, FINALIZED)
    const { api, coverage, coverageReason, threadId, name, loadedAt } = row
    assert.deepStrictEqual({ api, coverage, coverageReason, threadId, name }, { api: 'node-api', coverage: 'full', coverageReason: null, threadId: 0, name: path.basename(file) })
    assert.strictEqual(new Date(loadedAt).toISOString(), loadedAt)
  })

  test(`calls after the watch began are counted exactly, for an addon that was loaded before (${kind})`, { skip }, async () => {
    const { row, steps, finalized } = await runChildForJson(script, { args: [file, 'late'], execArgv: ['--expose-gc'] })

    assert.deepStrictEqual(steps, [['things from before the watch are released', {}], ...STEPS])
    assert.deepStrictEqual(finalized, { ...FINALIZED, threadsafeFunctions: 4 })
    assert.strictEqual(row.coverage, 'partial')
    assert.match(row.coverageReason, /before/)
  })
}
