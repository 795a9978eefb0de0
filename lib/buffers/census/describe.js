'use strict'

// Describes each backing store: its kind, the class of its longest view, its label and its route. The result contains texts and numbers and
// no objects, so that it retains nothing while a heap snapshot is taken.

const binding = require('../../base/load.js')
const { recordByIdentity } = require('../../external/identity.js')
const { classNames } = require('./class-name.js')
const { ADDON, EXTERNAL, RESIZABLE, SHARED, SLAB, WASM } = require('./kinds.js')

/** The native side's name for values that were tracked outside of a route. */
const NO_ROUTE = '(no route)'

/**
 * @param {object} columns the native figures of each store
 * @param {object} sorted the result of `sort()`
 * @returns {Described}
 *
 * @typedef {{ columns: object, kinds: string[], classes: string[], names: number[], pairs: [string | null, string | null][], longestBytes: (number | null)[] }} Described
 *   each list has one entry per store, except `pairs`; `names` are indices into `pairs`
 */
function describeStores (columns, { stores, views }) {
  const { buffers, longestViews } = columns
  const count = buffers.length
  const places = new Float64Array(2 * count)
  const classOf = classNames()
  const described = { columns, kinds: [], classes: [], names: [], longestBytes: [], pairs: [[null, null]] }
  for (let store = 0; store < count; store++) {
    const buffer = buffers[store]
    const longest = longestViews[store]
    // A tracked value is identified by the address of its first byte: that of the longest view, or that of the store.
    places[2 * store] = stores.addresses[buffer] + (longest === -1 ? 0 : views.starts[longest])
    places[2 * store + 1] = stores.addresses[buffer]
    described.kinds.push(kindName(columns.kinds[store]))
    described.classes.push(classOf(longest === -1 ? stores.list[buffer] : views.list[longest]))
    described.longestBytes.push(longest === -1 ? null : views.lengths[longest])
  }
  const found = binding.namesAt(places)
  for (let index = 0; index < found.names.length; index += 2) described.pairs.push(pair(found.names[index], found.names[index + 1]))
  const numbers = new Map(described.pairs.map((names, number) => [JSON.stringify(names), number]))
  for (let store = 0; store < count; store++) {
    const longest = longestViews[store]
    const own = namesByIdentity(longest === -1 ? stores.list[buffers[store]] : views.list[longest])
    if (own === undefined) {
      described.names.push(found.numbers[2 * store] || found.numbers[2 * store + 1])
      continue
    }
    const key = JSON.stringify(own)
    if (!numbers.has(key)) numbers.set(key, described.pairs.push(own) - 1)
    described.names.push(numbers.get(key))
  }
  return described
}

function pair (label, route) {
  return [label, route === NO_ROUTE ? null : route]
}

/** The names of a value that its address does not identify: an ArrayBuffer, or a small view at the start of its store. */
function namesByIdentity (value) {
  const record = recordByIdentity(value)
  const names = record === undefined ? [] : binding.namesOf(record)
  return names.length === 0 ? undefined : pair(...names)
}

function kindName (kind) {
  if (kind & SLAB) return 'slab'
  if (kind & WASM) return 'wasm'
  if (kind & SHARED) return 'shared'
  if (kind & EXTERNAL) return 'allocExternal'
  if (kind & ADDON) return 'addon'
  return kind & RESIZABLE ? 'resizable' : 'plain'
}

module.exports = { describeStores }
