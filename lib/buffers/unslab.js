'use strict'

// unslab(): copies a small view, so that it does not keep a large ArrayBuffer alive.

const { Buffer } = require('node:buffer')
const { isDataView, isSharedArrayBuffer } = require('node:util').types

const { bytes } = require('../base/units.js')
const { invalidType, options: checkOptions } = require('../base/validate.js')

// The language's own methods, because a subclass may have replaced them.
const typedArray = Object.getPrototypeOf(Uint8Array.prototype)
const DETACHED = { store: { byteLength: 0 }, byteLength: 0 }

/** See types/buffers.d.ts. */
function unslab (view, options) {
  if (!ArrayBuffer.isView(view)) throw invalidType('view', 'a Buffer, a TypedArray or a DataView', view)
  const { ifWasteOver = 0 } = checkOptions('options', options, ['ifWasteOver'])
  const allowedBytes = bytes('options.ifWasteOver', ifWasteOver, { min: 0 })

  const kind = isDataView(view) ? DataView.prototype : typedArray
  const { store, byteOffset, byteLength } = measure(kind, view)
  if (store.byteLength - byteLength <= allowedBytes) return view

  const copy = isSharedArrayBuffer(store) ? over(new SharedArrayBuffer(byteLength), view) : ofItsOwn(view, byteLength)
  if (kind === typedArray) typedArray.set.call(copy, view)
  else new Uint8Array(copy.buffer).set(new Uint8Array(store, byteOffset, byteLength))
  // The view may be of another realm or of a subclass. Its constructor is not called, because it may expect other arguments.
  const prototype = Object.getPrototypeOf(view)
  return Object.getPrototypeOf(copy) === prototype ? copy : Object.setPrototypeOf(copy, prototype)
}

function measure (kind, view) {
  const read = (name) => Reflect.get(kind, name, view)
  try {
    return { store: read('buffer'), byteOffset: read('byteOffset'), byteLength: read('byteLength') }
  } catch {
    // A DataView, unlike a typed array, throws when its ArrayBuffer is detached.
    return DETACHED
  }
}

/** A view of the same kind over all of `store`. */
function over (store, view) {
  return Buffer.isBuffer(view) ? Buffer.from(store) : new (constructorOf(view))(store)
}

// A small typed array that is created without an ArrayBuffer is inside V8's heap, and needs no memory outside of it.
function ofItsOwn (view, byteLength) {
  if (Buffer.isBuffer(view)) return Buffer.alloc(byteLength)
  if (isDataView(view)) return new DataView(new ArrayBuffer(byteLength))
  return new (constructorOf(view))(Reflect.get(typedArray, 'length', view))
}

function constructorOf (view) {
  return isDataView(view) ? DataView : globalThis[Reflect.get(typedArray, Symbol.toStringTag, view)]
}

module.exports = { unslab }
