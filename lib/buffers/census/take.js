'use strict'

// Takes one census, synchronously, of this isolate: in a child of the probe, or in the process.

const v8 = require('node:v8')
const binding = require('../../base/load.js')
const { fromNative } = require('../../base/errors.js')
const { flush } = require('../../external/pending-batch.js')
const { beyondObjects } = require('./beyond-objects.js')
const { Budget } = require('./budget.js')
const { describeStores } = require('./describe.js')
const { groupStores } = require('./groups.js')
const { SLAB } = require('./kinds.js')
const { readRetainers } = require('./retainers.js')
const { sort } = require('./sort.js')
const { groupStreams, readStreams } = require('./streams.js')

/** How many numbers a row has; see src/bindings/buffers.rs. */
const ROW = 7
/** With retainers, at most this many of the largest stores of each list are also grouped by their path. */
const GROUPED_BY_PATH = 10_000

/** Time for retainers, in looks. A heap snapshot, compressed and read, took 4 to 5.5 times as long as a look at the same heap (docs/buffers.md). */
const LOOKS_FOR_RETAINERS = 6

/**
 * The figures that are lower limits when a realm was not read. Waste, slices, `unviewed…` and `small…` are not among them: an unread view may
 * be one of the whole store, so these figures may also be too high.
 */
const LOWER_LIMITS = [
  'views', 'backingStores.count', 'backingStores.bytes', 'backingStores.sharedCount', 'backingStores.sharedBytes', 'backingStores.wasmCount',
  'backingStores.wasmBytes', 'backingStores.resizableCount', 'backingStores.resizableBytes', 'backingStores.reservedBytes', 'backingStores.detachedCount',
  'slabs.count', 'slabs.bytes', 'slabs.sliceCount', 'slabs.sliceBytes', 'slabs.pinnedCount', 'slabs.pinnedBytes', 'allocExternal', 'streams'
]

/**
 * @param {{ top: number, retainers: boolean }} options
 * @param {{ inChild: boolean, patient: boolean, deadline: number }} where `deadline`: on the clock of performance.now(). Realms that
 *   would take longer are left out, except the main realm
 * @returns {object | undefined} plain data for JSON; undefined when the census should begin again in a later tick
 */
function takeCensus ({ top, retainers }, { deadline, ...where }) {
  const budget = new Budget(deadline, v8.getHeapStatistics().used_heap_size)
  // When count() returns, the found objects are no longer reachable from here. A snapshot must not show them as retained by the census.
  const taken = count(top, retainers, { ...where, budget, looksAfter: retainers ? LOOKS_FOR_RETAINERS : 0 })
  if (taken === undefined) return undefined
  const { result: { realms: { unreadCount, method, ...read }, ...figures }, described, waiting, toMark } = taken
  const realms = { ...read, unseenCount: read.count - read.readCount, method }
  const missing = []
  if (unreadCount > 0) missing.push('realms')
  if (realms.unseenCount > unreadCount) missing.push('hidden-realms')
  const paths = { stores: new Map(), streams: new Map() }
  if (retainers && budget.affords(LOOKS_FOR_RETAINERS)) addRetainers(toMark, paths)
  else if (retainers) missing.push('retainers')
  addGroups(figures, { described, waiting, paths, limit: top })
  return { complete: missing.length === 0, missing, realms, lowerLimits: realms.unseenCount > 0 ? LOWER_LIMITS : [], ...figures }
}

/** Adds `path` and `retainers` to each row, and collects the paths for the groups. */
function addRetainers ({ rows, stores, streams }, paths) {
  const answers = readRetainers([...rows, ...stores, ...streams], rows.length)
  rows.forEach(({ row, isStream }, index) => {
    row.path = answers[index]?.path ?? null
    if (!isStream) row.retainers = answers[index]?.holders ?? []
  })
  const grouped = (index) => answers[index]?.holders[0].path ?? null
  stores.forEach(({ number }, index) => paths.stores.set(number, grouped(rows.length + index)))
  streams.forEach(({ number }, index) => paths.streams.set(number, grouped(rows.length + stores.length + index)))
}

function addGroups ({ slabs, slices, large, streams }, { described, waiting, paths, limit }) {
  const { kinds, wasteBytes } = described.columns
  const isSlab = (store) => (kinds[store] & SLAB) !== 0
  const groups = (has, size) => groupStores(described, { paths: paths.stores, has, size, limit })
  slabs.groups = groups((store) => isSlab(store) && wasteBytes[store] > 0, (group) => group.wasteBytes).map(({ usedBytes, viewCount, ...group }) => ({
    ...group, sliceBytes: usedBytes, sliceCount: viewCount
  }))
  slices.groups = groups((store) => !isSlab(store) && wasteBytes[store] > 0, (group) => group.wasteBytes).map(({ usedBytes, ...group }) => ({
    ...group, viewBytes: usedBytes
  }))
  large.groups = groups(() => true, (group) => group.bytes).map(({ usedBytes, wasteBytes, ...group }) => ({
    ...group, viewBytes: usedBytes
  }))
  streams.groups = groupStreams(waiting, paths.streams, limit)
}

function count (top, retainers, where) {
  flush()
  const sorted = sort(where)
  if (sorted === undefined) return undefined
  const { realms, stores, views, streams, slabBytes, counters } = sorted
  const { totals, slabs, slices, large, stores: columns } = fromNative(() => binding.bufferCensus(
    stores.addresses,
    Float64Array.from(stores.lengths),
    Uint8Array.from(stores.kinds),
    Uint32Array.from(views.buffers),
    Float64Array.from(views.starts),
    Float64Array.from(views.lengths),
    retainers ? Math.max(top, GROUPED_BY_PATH) : top
  ))
  const described = describeStores(columns, sorted)
  const storeOfBuffer = new Uint32Array(stores.list.length)
  columns.buffers.forEach((buffer, store) => { storeOfBuffer[buffer] = store })
  const rowsOf = (numbers) => rows(numbers, top, described, (buffer) => storeOfBuffer[buffer])
  const waiting = readStreams(streams)
  const sum = (index) => ({ count: totals[2 * index], bytes: totals[2 * index + 1] })
  const [all, unviewed, small, shared, wasm, resizable, allocExternal, fromNode, ofIsolate, unsharedWasm, unsharedResizable, allSlabs, slabSlices, pinnedSlabs, sliced, partViews] =
    Array.from({ length: 16 }, (_, index) => sum(index))
  const { nativelyHeldBytes, externalStringBytes } = beyondObjects(counters, { realms, fromNode, ofIsolate, unsharedWasm, unsharedResizable })
  const result = {
    realms,
    views: {
      count: views.list.length + views.detachedCount + views.poolCount,
      bufferCount: views.bufferCount,
      dataViewCount: views.dataViewCount,
      emptyCount: views.emptyCount,
      detachedCount: views.detachedCount
    },
    backingStores: {
      ...all,
      unviewedCount: unviewed.count,
      unviewedBytes: unviewed.bytes,
      smallCount: small.count,
      smallBytes: small.bytes,
      sharedCount: shared.count,
      sharedBytes: shared.bytes,
      wasmCount: wasm.count,
      wasmBytes: wasm.bytes,
      resizableCount: resizable.count,
      resizableBytes: resizable.bytes,
      reservedBytes: stores.reservedBytes,
      nativelyHeldBytes,
      detachedCount: stores.detachedCount
    },
    slabs: {
      slabBytes,
      count: allSlabs.count,
      bytes: allSlabs.bytes,
      sliceCount: slabSlices.count,
      sliceBytes: slabSlices.bytes,
      pinnedCount: pinnedSlabs.count,
      pinnedBytes: pinnedSlabs.bytes,
      wasteBytes: totals[32],
      top: rowsOf(slabs).map(({ bytes, usedBytes, viewCount, ...row }) => ({
        bytes, sliceBytes: usedBytes, wasteBytes: bytes - usedBytes, sliceCount: viewCount, ...row
      }))
    },
    slices: {
      count: partViews.count,
      backingStoreCount: sliced.count,
      viewBytes: partViews.bytes,
      pinnedBytes: sliced.bytes,
      wasteBytes: totals[33],
      top: rowsOf(slices).map(({ bytes, usedBytes, ...row }) => ({
        viewBytes: usedBytes, bytes, wasteBytes: bytes - usedBytes, ...row
      }))
    },
    large: {
      top: rowsOf(large).map(({ usedBytes, ...row }) => ({ viewBytes: usedBytes, ...row }))
    },
    allocExternal,
    externalStringBytes,
    streams: { ...waiting.sums, top: waiting.rows.slice(0, top) }
  }
  const toMark = retainers ? marks({ result, lists: { slabs, slices, large }, stores, waiting }) : undefined
  // The result must not retain a found object; see takeCensus().
  return { result, described, waiting: { rows: waiting.rows }, toMark }
}

/** Weak references to the objects whose paths are wanted. */
function marks ({ result, lists, stores, waiting }) {
  const markOf = (number) => ({ number, store: new WeakRef(stores.list[number]) })
  const rowMarks = Object.entries(lists)
    .flatMap(([name, numbers]) => result[name].top.map((row, index) => ({ row, ...markOf(numbers[index * ROW]) })))
  const streamMarks = waiting.objects.slice(0, GROUPED_BY_PATH).map((stream, number) => ({ number, object: new WeakRef(stream) }))
  const numbers = new Set(Object.values(lists).flatMap((list) => Array.from(list.filter((value, index) => index % ROW === 0))))
  return {
    rows: [...rowMarks, ...result.streams.top.map((row, index) => ({ row, isStream: true, object: new WeakRef(waiting.objects[index]) }))],
    stores: [...numbers].map(markOf),
    streams: streamMarks
  }
}

function rows (numbers, count, described, storeOf) {
  const made = []
  for (let index = 0; index < Math.min(count, numbers.length / ROW); index++) {
    const [buffer, bytes, , usedBytes, viewCount] = numbers.subarray(index * ROW, (index + 1) * ROW)
    const store = storeOf(buffer)
    const [label, route] = described.pairs[described.names[store]]
    made.push({
      bytes,
      usedBytes,
      viewCount,
      kind: described.kinds[store],
      className: described.classes[store],
      longestViewBytes: described.longestBytes[store],
      label,
      route
    })
  }
  return made
}

module.exports = { takeCensus }
