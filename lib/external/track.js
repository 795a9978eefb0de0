'use strict'

// track() and untrack(): they check arguments, and pass values on to be counted.

const { isAnyArrayBuffer } = require('node:util').types

const { changeRecord, loadFailure, releaseRecord } = require('../base/load.js')
const { byteLengthOf, forget, hasAddress, hasTicket, identifyObject, identifyView, recordOf } = require('./identity.js')
const { labelKey } = require('./label.js')
const { flush, push } = require('./pending-batch.js')
const { enclosingRoute } = require('./route-context.js')
const { bytes } = require('../base/units.js')
const { invalidType, options: checkOptions } = require('../base/validate.js')

const ANY_SIZE = { min: 0 }

function track (value, options) {
  let label = 0
  let byteLength = -1
  if (options !== undefined) {
    checkNames(options)
    if (options.label !== undefined) label = labelKey('options.label', options.label)
    if (options.byteLength !== undefined) byteLength = bytes('options.byteLength', options.byteLength, ANY_SIZE)
  }

  // What is known already takes the new label and byteLength: on the native side, or here, where the native side cannot recognise it.
  let ticket = 0
  if (ArrayBuffer.isView(value)) {
    const viewBytes = byteLengthOf(value)
    if (byteLength === -1) byteLength = viewBytes
    if (!hasAddress(value, viewBytes)) {
      if (viewBytes === 0 || hasTicket(value)) {
        const known = knownRecord(value)
        if (known !== undefined) return change(value, known, byteLength, label)
      }
      ticket = identifyView(value)
    }
  } else {
    if (byteLength === -1) byteLength = implicitByteLength(value)
    else if (!isObject(value)) throw invalidType('value', 'an object', value)
    if (hasTicket(value)) {
      const known = knownRecord(value)
      if (known !== undefined) return change(value, known, byteLength, label)
    }
    ticket = identifyObject(value)
  }

  const route = enclosingRoute()
  const routeKey = route === undefined ? 0 : route.key()
  push(value, byteLength, routeKey * 65536 + label, ticket)
  if (route !== undefined && routeKey === 0) route.defer(knownRecord(value))
  return value
}

function knownRecord (value) {
  flush()
  return recordOf(value)
}

function change (value, id, byteLength, label) {
  changeRecord(id, byteLength, label === 0 ? -1 : label, -1)
  return value
}

function untrack (value) {
  if (!isObject(value)) throw invalidType('value', 'an object', value)
  const id = knownRecord(value)
  forget(value)
  return id !== undefined && releaseRecord(id)
}

function implicitByteLength (value) {
  if (isAnyArrayBuffer(value)) return value.byteLength
  if (!isObject(value)) throw invalidType('value', 'an object', value)
  throw invalidType('options.byteLength', 'a number of bytes, which a value that is no buffer needs', undefined)
}

function isObject (value) {
  return (typeof value === 'object' && value !== null) || typeof value === 'function'
}

// Runs on every call, so it only loops over the names. The full check runs when a name is unknown.
function checkNames (options) {
  if (typeof options !== 'object' || options === null) checkOptions('options', options, [])
  for (const name in options) {
    if (name !== 'label' && name !== 'byteLength') checkOptions('options', options, ['label', 'byteLength'])
  }
}

// track() runs in the request path. So without the binding it counts nothing and does not fail. externalAllocations() throws the reason.
function passThrough (value, options) {
  if (options !== undefined) checkNames(options)
  if (options?.byteLength !== undefined) bytes('options.byteLength', options.byteLength, ANY_SIZE)
  else if (!ArrayBuffer.isView(value)) implicitByteLength(value)
  if (!isObject(value)) throw invalidType('value', 'an object', value)
  return value
}

module.exports = loadFailure === undefined ? { track, untrack } : { track: passThrough, untrack: () => false }
