'use strict'

// Turns objects into numbers: finds ArrayBuffers, views with their ArrayBuffers, and streams.
//
// The engine says what an object is (internal slots). Its prototype and its properties are not used, because the application can change them.
// So objects of other realms are recognized too, and no code of the application runs.

const { EventEmitter } = require('node:events')
const { isAnyArrayBuffer, isDataView, isSharedArrayBuffer, isUint8Array } = require('node:util').types
const { addressesOf } = require('./addresses.js')
const { ADDON, CURRENT, EXTERNAL, MARKED, RESIZABLE, SHARED, SLAB, WASM } = require('./kinds.js')
const { currentSlab, isUntransferable } = require('./slabs.js')
const { isStream } = require('./streams.js')
const { visitObjects } = require('./realms.js')
const binding = require('../../base/load.js')
const { engineFigures } = require('../../base/engine-figures.js')

const typedArrayPrototype = Object.getPrototypeOf(Int8Array.prototype)
const getters = {
  arrayBuffer: getter(ArrayBuffer.prototype, 'byteLength'),
  shared: getter(SharedArrayBuffer.prototype, 'byteLength'),
  resizable: getter(ArrayBuffer.prototype, 'resizable'),
  growable: getter(SharedArrayBuffer.prototype, 'growable'),
  maxByteLength: getter(ArrayBuffer.prototype, 'maxByteLength'),
  maxSharedByteLength: getter(SharedArrayBuffer.prototype, 'maxByteLength'),
  typedArray: ['buffer', 'byteOffset', 'byteLength'].map((name) => getter(typedArrayPrototype, name)),
  dataView: ['buffer', 'byteOffset', 'byteLength'].map((name) => getter(DataView.prototype, name))
}

/** `(object) => object[name]` with the language's own getter, which the application cannot replace. */
function getter (prototype, name) {
  const { get } = Object.getOwnPropertyDescriptor(prototype, name)
  return (object) => Reflect.apply(get, object, [])
}

/**
 * Finds and sorts all objects. The result retains all ArrayBuffers and views, so release it soon.
 * @param {Parameters<typeof visitObjects>[0]} where
 */
function sort (where) {
  // Before anything is counted, because it may make Node begin a slab.
  const current = currentSlab()
  const found = { buffers: new Set(), views: new Set(), streams: new Set(), memories: new Set() }
  const realms = visitObjects(where, (objects, { Memory }) => pick(objects, Memory, found))
  if (realms === undefined) return undefined
  const stores = sortBuffers(found.buffers, found.memories)
  const views = sortViews(found.views, stores, current)
  mark(stores, views, current)
  // After all objects were found: typed arrays that were inside V8's heap are now outside, in these counters and in the stores.
  const counters = engineFigures()
  return { realms, stores, views, streams: [...found.streams], slabBytes: current.byteLength, counters }
}

function pick (objects, Memory, { buffers, views, streams, memories }) {
  const isMemory = typeof Memory === 'function' ? (object) => object instanceof Memory : () => false
  for (let index = 0; index < objects.length; index++) {
    const object = objects[index]
    if (ArrayBuffer.isView(object)) views.add(object)
    else if (isAnyArrayBuffer(object)) buffers.add(object)
    else if (object instanceof EventEmitter) {
      if (isStream(object)) streams.add(object)
    } else if (isMemory(object)) memories.add(object)
  }
}

/** ArrayBuffers by number. Each has a store, because V8 moves small typed arrays out of its heap when a query lists their ArrayBuffers. */
function sortBuffers (set, memories) {
  const stores = { list: [], numbers: new Map(), lengths: [], kinds: [], reservedBytes: 0, detachedCount: 0 }
  for (const buffer of set) addBuffer(stores, buffer)
  for (const memory of memories) {
    const buffer = memoryBuffer(memory)
    if (buffer !== undefined) stores.kinds[stores.numbers.get(buffer) ?? addBuffer(stores, buffer)] |= WASM
  }
  return stores
}

function memoryBuffer (memory) {
  try {
    return memory.buffer
  } catch {
    // The object only inherits from Memory.prototype.
    return undefined
  }
}

function addBuffer (stores, buffer) {
  const number = stores.list.length
  const shared = isSharedArrayBuffer(buffer)
  const length = (shared ? getters.shared : getters.arrayBuffer)(buffer)
  let kind = shared ? SHARED : 0
  if ((shared ? getters.growable : getters.resizable)(buffer)) {
    kind |= RESIZABLE
    stores.reservedBytes += (shared ? getters.maxSharedByteLength : getters.maxByteLength)(buffer)
  }
  if (length === 0 && !shared && isDetached(buffer)) stores.detachedCount++
  stores.list.push(buffer)
  stores.lengths.push(length)
  stores.kinds.push(kind)
  stores.numbers.set(buffer, number)
  return number
}

/** Node 20 lacks ArrayBuffer.prototype.detached. */
function isDetached (buffer) {
  try {
    return new Uint8Array(buffer) === undefined
  } catch {
    return true
  }
}

function sortViews (set, stores, current) {
  const views = {
    list: [],
    buffers: [],
    starts: [],
    lengths: [],
    bufferCount: 0,
    dataViewCount: 0,
    emptyCount: 0,
    detachedCount: 0,
    poolCount: 0
  }
  // Of views of the same length, the first one names the store. V8 lists objects in a different order each time, so they are ranked.
  const ranked = [[], [], [], []]
  for (const view of set) ranked[rankOf(view)].push(view)
  views.bufferCount = ranked[BUFFER].length
  views.dataViewCount = ranked[DATA_VIEW].length
  for (const view of ranked.flat()) {
    const place = placeOf(view)
    if (place === undefined) {
      views.detachedCount++
      continue
    }
    const { buffer, start, length } = place
    if (length === 0) views.emptyCount++
    // Node 26 holds a view of nearly the whole current slab, to cut slices from it. No slice is that long.
    if (buffer === current && length >= current.byteLength / 2) {
      views.poolCount++
      continue
    }
    const number = stores.numbers.get(buffer) ?? addBuffer(stores, buffer)
    views.list.push(view)
    views.buffers.push(number)
    views.starts.push(start)
    views.lengths.push(length)
  }
  return views
}

/** Ranks of views. The class that says most comes first: a program that made a Buffer or a Float64Array may also view its bytes. */
const BUFFER = 0
const NUMBERS = 1
const BYTES = 2
const DATA_VIEW = 3

function rankOf (view) {
  if (isDataView(view)) return DATA_VIEW
  if (Buffer.isBuffer(view)) return BUFFER
  return isUint8Array(view) ? BYTES : NUMBERS
}

/** The place of a view in its ArrayBuffer; undefined when the ArrayBuffer is detached, or has shrunk below the view. */
function placeOf (view) {
  const [bufferOf, startOf, lengthOf] = isDataView(view) ? getters.dataView : getters.typedArray
  try {
    const buffer = bufferOf(view)
    const place = { buffer, start: startOf(view), length: lengthOf(view) }
    return place.length === 0 && !isSharedArrayBuffer(buffer) && isOutOfBounds(view, buffer) ? undefined : place
  } catch {
    // A DataView out of bounds throws; a typed array does not.
    return undefined
  }
}

/** Whether a typed array has length 0 because its ArrayBuffer has shrunk or was detached. */
function isOutOfBounds (view, buffer) {
  if (isDetached(buffer)) return true
  if (!getters.resizable(buffer)) return false
  try {
    // fill() throws for a view that is out of bounds. For an empty view it does nothing.
    typedArrayPrototype.fill.call(view, 0)
    return false
  } catch {
    return true
  }
}

/** Marks the stores that are slabs, memory of allocExternal(), or memory of watched addons. */
function mark (stores, views, current) {
  const { list, lengths, kinds } = stores
  stores.addresses = addressesOf(list, lengths)
  const external = binding.areExternal(stores.addresses)
  // Other platforms lack this function.
  const ofAddons = binding.areOfAddons?.(stores.addresses)
  const partly = new Uint8Array(list.length)
  for (let index = 0; index < views.list.length; index++) {
    if (views.lengths[index] < lengths[views.buffers[index]]) partly[views.buffers[index]] = 1
  }
  const slabBytes = current.byteLength
  for (let number = 0; number < list.length; number++) {
    if (external[number] === 1) kinds[number] |= EXTERNAL
    else if (ofAddons?.[number] === 1) kinds[number] |= ADDON
    else if (partly[number] === 1 && (kinds[number] & ~CURRENT) === 0 && isUntransferable(list[number])) {
      kinds[number] |= lengths[number] === slabBytes ? SLAB : MARKED
    }
  }
  const number = stores.numbers.get(current)
  if (number !== undefined) kinds[number] |= SLAB | CURRENT
}

module.exports = { sort }
