'use strict'

// One census, synchronously, of the isolate it runs in: in the probe's child, or in the process.

const v8 = require('node:v8')
const binding = require('../load.js')
const { fromNative } = require('../errors.js')
const { flush } = require('../nursery.js')
const { Budget } = require('./budget.js')
const { className } = require('./class-name.js')
const { EXTERNAL, RESIZABLE, SHARED, SLAB, WASM, sort } = require('./sort.js')
const { addRetainers } = require('./retainers.js')
const { readStreams } = require('./streams.js')

/** Numbers per row; see src/bindings/buffers.rs. */
const ROW = 7
/** What is tracked outside of any route. */
const NO_ROUTE = '(no route)'

/** A heap snapshot, packed and read, took 4 to 5.5 times as long as a look at every object of the same heap (docs/buffer-slabs.md). */
const LOOKS_FOR_RETAINERS = 6

/**
 * What is no more than a lower limit where a realm was not read. Nothing is said here of waste, of slices, of `unviewed…` and
 * `small…`: an unread view may be one of the whole store.
 */
const LOWER_LIMITS = [
  'views', 'backingStores.count', 'backingStores.totalBytes', 'backingStores.sharedCount', 'backingStores.sharedBytes', 'backingStores.wasmCount',
  'backingStores.wasmBytes', 'backingStores.resizableCount', 'backingStores.resizableBytes', 'backingStores.reservedBytes', 'backingStores.detachedCount',
  'slabs.count', 'slabs.totalBytes', 'slabs.liveSliceCount', 'slabs.liveSliceBytes', 'slabs.pinnedCount', 'slabs.pinnedBytes', 'external', 'streams'
]

/**
 * @param {{ top: number, retainers: boolean }} options
 * @param {{ inChild: boolean, patient: boolean, deadline: number }} where `deadline`: as of performance.now(). What would take
 *   longer is left out, but for the main realm
 * @returns {object | undefined} plain data, as JSON can carry it; nothing when it is better to come again
 */
function takeCensus ({ top, retainers }, { deadline, ...where }) {
  const budget = new Budget(deadline, v8.getHeapStatistics().used_heap_size)
  // What was found is out of reach when this returns: a snapshot must not show it as held by the census.
  const taken = count(top, { ...where, budget, looksAfter: retainers ? LOOKS_FOR_RETAINERS : 0 })
  if (taken === undefined) return undefined
  const { result: { realms: { unreadCount, ...realms }, ...figures }, offenders } = taken
  realms.unseenCount = realms.count - realms.readCount
  const missing = []
  if (unreadCount > 0) missing.push('realms')
  if (realms.unseenCount > unreadCount) missing.push('hidden-realms')
  if (retainers && budget.affords(LOOKS_FOR_RETAINERS)) addRetainers(offenders)
  else if (retainers) missing.push('retainers')
  return { complete: missing.length === 0, missing, realms, lowerLimits: realms.unseenCount > 0 ? LOWER_LIMITS : [], ...figures }
}

function count (top, where) {
  flush()
  const sorted = sort(where)
  if (sorted === undefined) return undefined
  const { realms, stores, views, streams, slabBytes } = sorted
  const { totals, slabs, slices, large } = fromNative(() => binding.bufferCensus(
    stores.addresses,
    Float64Array.from(stores.lengths),
    Uint8Array.from(stores.kinds),
    Uint32Array.from(views.buffers),
    Float64Array.from(views.starts),
    Float64Array.from(views.lengths),
    top
  ))
  const sum = (index) => ({ count: totals[2 * index], totalBytes: totals[2 * index + 1] })
  const [all, unviewed, small, shared, wasm, resizable, external, allSlabs, slabSlices, pinnedSlabs, sliced, partViews] =
    Array.from({ length: 12 }, (_, index) => sum(index))
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
      unviewedBytes: unviewed.totalBytes,
      smallCount: small.count,
      smallBytes: small.totalBytes,
      sharedCount: shared.count,
      sharedBytes: shared.totalBytes,
      wasmCount: wasm.count,
      wasmBytes: wasm.totalBytes,
      resizableCount: resizable.count,
      resizableBytes: resizable.totalBytes,
      reservedBytes: stores.reservedBytes,
      detachedCount: stores.detachedCount
    },
    slabs: {
      slabBytes,
      count: allSlabs.count,
      totalBytes: allSlabs.totalBytes,
      liveSliceCount: slabSlices.count,
      liveSliceBytes: slabSlices.totalBytes,
      pinnedCount: pinnedSlabs.count,
      pinnedBytes: pinnedSlabs.totalBytes,
      wasteBytes: totals[24],
      top: rows(slabs, sorted).map(({ bytes, usedBytes, viewCount, ...row }) => ({
        totalBytes: bytes, liveSliceBytes: usedBytes, wasteBytes: bytes - usedBytes, sliceCount: viewCount, ...row
      }))
    },
    slices: {
      count: partViews.count,
      backingStoreCount: sliced.count,
      viewBytes: partViews.totalBytes,
      pinnedBytes: sliced.totalBytes,
      wasteBytes: totals[25],
      top: rows(slices, sorted).map(({ bytes, usedBytes, ...row }) => ({
        viewBytes: usedBytes, backingBytes: bytes, wasteBytes: bytes - usedBytes, ...row
      }))
    },
    large: {
      top: rows(large, sorted).map(({ bytes, usedBytes, ...row }) => ({ totalBytes: bytes, viewBytes: usedBytes, ...row }))
    },
    external,
    streams: readStreams(streams, top)
  }
  const offenders = [[slabs, result.slabs], [slices, result.slices], [large, result.large]]
    .flatMap(([numbers, { top }]) => top.map((row, index) => ({ row, buffer: new WeakRef(stores.list[numbers[index * ROW]]) })))
  return { result, offenders }
}

function rows (numbers, { stores, views }) {
  const count = numbers.length / ROW
  const made = []
  const places = []
  const tickets = []
  for (let index = 0; index < count; index++) {
    const [number, bytes, kind, usedBytes, viewCount, longest] = numbers.subarray(index * ROW, (index + 1) * ROW)
    const start = longest === -1 ? 0 : views.starts[longest]
    made.push({
      bytes,
      usedBytes,
      viewCount,
      kind: kindName(kind),
      className: className(longest === -1 ? stores.list[number] : views.list[longest]),
      longestViewBytes: longest === -1 ? null : views.lengths[longest]
    })
    tickets.push(namesByTicket(longest === -1 ? stores.list[number] : views.list[longest]))
    // What is tracked is known by the place of its first byte: that of the longest view, or of the store.
    places.push(stores.addresses[number] + start, stores.addresses[number])
  }
  const names = binding.namesAt(Float64Array.from(places))
  return made.map((row, index) => {
    const [viewLabel, viewRoute, storeLabel, storeRoute] = names.slice(4 * index, 4 * index + 4)
    const [label = viewLabel ?? storeLabel ?? null, known = viewRoute ?? storeRoute ?? NO_ROUTE] = tickets[index]
    return { ...row, label, route: known === NO_ROUTE ? null : known }
  })
}

/** Small views at the start of their store, and ArrayBuffers, are tracked by themselves; see lib/track.js. */
function namesByTicket (value) {
  const { shared, findTicket } = binding
  const ticket = ArrayBuffer.isView(value) ? shared.viewTickets.get(value) : shared.objectTicket(value)
  const record = ticket === undefined || ticket === 0 ? undefined : findTicket(ticket)
  return record === undefined ? [] : binding.namesOf(record)
}

function kindName (kind) {
  if (kind & SLAB) return 'slab'
  if (kind & WASM) return 'wasm'
  if (kind & SHARED) return 'shared'
  if (kind & EXTERNAL) return 'external'
  return kind & RESIZABLE ? 'resizable' : 'plain'
}

module.exports = { takeCensus }
