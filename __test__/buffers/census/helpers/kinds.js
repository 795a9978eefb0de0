'use strict'

// What each kind of Buffer, store and slab changes in a census.

const assert = require('node:assert')
const path = require('node:path')
const { runChildForJson } = require('../../../helpers/child.js')

const fixture = path.join(__dirname, '..', 'fixtures', 'kinds.js')

/** What is checked, by title. */
const checks = new Map()

/** What `kind` of the fixture is to change; `then` gets all that the fixture said. */
function check (title, kind, expected, then = () => {}) {
  checks.set(title, { kind, expected, then })
}

/** A test's title and function for each kind, in this way of taking a census. All kinds are made in one process. */
function kinds (mode) {
  const taken = runChildForJson(fixture, { args: [mode, [...checks.values()].map(({ kind }) => kind).join()], execArgv: ['--expose-gc'] })
  // Awaited by each test: the first one fails with it, not the process.
  taken.catch(() => {})
  return [...checks].map(([title, { kind, expected, then }]) => [`${title} (${mode})`, async () => {
    const { [kind]: seen } = await taken
    assert.strictEqual(seen.mode, mode)
    assert.deepStrictEqual(seen.difference, typeof expected === 'function' ? expected(seen) : expected)
    then(seen)
  }])
}

const stores = (count, bytes) => ({ 'backingStores.count': count, 'backingStores.bytes': bytes })
const slices = (count, backingStoreCount, viewBytes, pinnedBytes) => ({
  'slices.count': count,
  'slices.backingStoreCount': backingStoreCount,
  ...(viewBytes > 0 && { 'slices.viewBytes': viewBytes }),
  'slices.pinnedBytes': pinnedBytes,
  ...(pinnedBytes > viewBytes && { 'slices.wasteBytes': pinnedBytes - viewBytes })
})

check('overlapping slices of one store count their bytes once', 'overlapping', {
  'views.count': 3, 'views.bufferCount': 2, ...stores(1, 10_007), ...slices(3, 1, 70, 10_007)
}, ({ slices: [row] }) => assert.deepStrictEqual(row, {
  viewBytes: 70, bytes: 10_007, wasteBytes: 9_937, viewCount: 3, kind: 'plain', className: 'Buffer', longestViewBytes: 50, label: null, route: null
}))

check('a view of a whole store is not a slice, and slices beside it pin nothing', 'whole', {
  'views.count': 3, 'views.bufferCount': 3, ...stores(1, 20_011)
})

check('of two views of a whole store the Buffer names it, and a Uint8Array last', 'wholeTwice', {
  'views.count': 24, 'views.bufferCount': 8, ...stores(12, 12 * 900_008)
}, ({ groups }) => assert.deepStrictEqual(groups.slice(0, 2).map(({ className, count, bytes }) => [className, count, bytes]), [
  ['Buffer', 8, 7_200_064], ['Int16Array', 4, 3_600_032]
]))

check('two parts that reach everything together are slices without waste', 'halves', {
  'views.count': 2, ...stores(1, 30_000), ...slices(2, 1, 30_000, 30_000)
}, ({ slices }) => assert.deepStrictEqual(slices, []))

check('an ArrayBuffer without a view is a store that nothing views', 'unviewed', {
  ...stores(1, 40_009), 'backingStores.unviewedCount': 1, 'backingStores.unviewedBytes': 40_009
})

check('DataViews are views like any other', 'dataViews', {
  'views.count': 2, 'views.dataViewCount': 2, ...stores(2, 110_034), ...slices(1, 1, 11, 60_013)
}, ({ slices: [row] }) => assert.strictEqual(row.className, 'DataView'))

check('a view without length pins all of its store', 'empty', {
  'views.count': 2, 'views.bufferCount': 1, 'views.emptyCount': 2, ...stores(1, 70_001), ...slices(1, 1, 0, 70_001)
})

check('shared memory is counted and never called waste: other threads may have views of it', 'shared', {
  'views.count': 2, ...stores(2, 170_022), 'backingStores.sharedCount': 2, 'backingStores.sharedBytes': 170_022
})

check('two SharedArrayBuffers over the same bytes are one store', 'sharedTwice', {
  'views.count': 2, ...stores(1, 100_003), 'backingStores.sharedCount': 1, 'backingStores.sharedBytes': 100_003
}, ({ said }) => assert.deepStrictEqual(said, { twoObjects: true }))

check('a resizable ArrayBuffer counts with its present length, and views out of its bounds as detached', 'resizable', {
  'views.count': 3,
  'views.detachedCount': 1,
  ...stores(2, 190_010),
  'backingStores.resizableCount': 2,
  'backingStores.resizableBytes': 190_010,
  'backingStores.reservedBytes': 500_010,
  ...slices(1, 1, 20, 60_007)
}, ({ said, slices: [row] }) => {
  assert.deepStrictEqual(said.lengths, [130_003, 20, 0])
  assert.strictEqual(row.kind, 'resizable')
})

check('what is detached has no bytes', 'detached', {
  'views.count': 2, 'views.dataViewCount': 1, 'views.detachedCount': 2, 'backingStores.detachedCount': 1
})

check('the memory of a WebAssembly module is never called waste', 'wasm', {
  'views.count': 1, ...stores(1, 196_608), 'backingStores.wasmCount': 1, 'backingStores.wasmBytes': 196_608
})

check('a shared WebAssembly memory that grew is one store with its present length', 'wasmShared', {
  'views.count': 2,
  ...stores(1, 131_072),
  'backingStores.sharedCount': 1,
  'backingStores.sharedBytes': 131_072,
  'backingStores.wasmCount': 1,
  'backingStores.wasmBytes': 131_072
})

check('other realms are seen: their own classes, and those that extend classes of the main one', 'realm', {
  'realms.count': 1, 'realms.readCount': 1, 'views.count': 4, 'views.bufferCount': 1, ...stores(4, 660_110), ...slices(3, 3, 17, 510_006)
}, ({ slices }) => assert.deepStrictEqual(slices.map(({ className }) => className), ['Buffer', 'Mixed', 'Inner']))

check('memory of allocExternal is known, also by a slice of it', 'allocExternal', {
  'views.count': 2, 'views.bufferCount': 2, ...stores(2, 390_044), ...slices(1, 1, 11, 200_017), 'allocExternal.count': 2, 'allocExternal.bytes': 390_044
}, ({ slices: [row] }) => assert.deepStrictEqual([row.kind, row.label, row.route], ['allocExternal', 'tiles', null]))

check('a slice that is tracked has its label', 'tracked', {
  'views.count': 2, 'views.bufferCount': 2, ...stores(2, 415_030), ...slices(2, 2, 100, 415_030)
}, ({ slices }) => assert.deepStrictEqual(slices.map(({ label }) => label), ['headers', 'signatures']))

check('what something is, is not asked of its owner', 'subclass', {
  'views.count': 1, ...stores(1, 220_009), ...slices(1, 1, 8, 220_009)
}, ({ slices: [row] }) => assert.strictEqual(row.className, 'Liar'))

check('each slab that a slice keeps alive is pinned, and wasted but for the slice', 'slabs', ({ slabBytes }) => ({
  'views.count': 5,
  'views.bufferCount': 5,
  ...stores(5, 5 * slabBytes),
  'slabs.count': 5,
  'slabs.bytes': 5 * slabBytes,
  'slabs.sliceCount': 5,
  'slabs.sliceBytes': 505,
  'slabs.pinnedCount': 5,
  'slabs.pinnedBytes': 5 * slabBytes,
  'slabs.wasteBytes': 5 * slabBytes - 505
}), ({ slabs, slabBytes }) => {
  assert.strictEqual(slabs.filter(({ sliceBytes }) => sliceBytes === 101).length, 5)
  assert.ok(slabs.every(({ bytes, kind }) => bytes === slabBytes && kind === 'slab'))
})

check('slabs are known whatever Buffer.poolSize was when they were made', 'poolSize', ({ said: { lengths } }) => {
  const bytes = lengths[0] + lengths[1] + lengths[2]
  return {
    'views.count': 3,
    'views.bufferCount': 3,
    ...stores(3, bytes),
    'slabs.count': 3,
    'slabs.bytes': bytes,
    'slabs.sliceCount': 3,
    'slabs.sliceBytes': 319,
    'slabs.pinnedCount': 3,
    'slabs.pinnedBytes': bytes,
    'slabs.wasteBytes': bytes - 319
  }
}, ({ said: { lengths }, slabBytes }) => {
  assert.strictEqual(lengths[0], slabBytes)
  assert.notStrictEqual(lengths[1], slabBytes)
})

check('what is marked like a slab and is viewed unlike one is a slice', 'untransferable', {
  'views.count': 1, ...stores(1, 230_003), ...slices(1, 1, 200_003, 230_003)
})

module.exports = { kinds }
