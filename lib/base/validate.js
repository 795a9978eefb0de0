'use strict'

// Checks of arguments, in JavaScript, before any work begins: the native side would silently turn -1 into 4294967295.
// Messages have one form: Expected *name* to be …, received … (type).

const { isMap, isSet } = require('node:util').types
const { argumentError } = require('./errors.js')

function describe (value) {
  if (value === null || value === undefined) return String(value)
  if (typeof value === 'string') return `${JSON.stringify(value.length > 40 ? `${value.slice(0, 40)}…` : value)} (string)`
  if (typeof value === 'function') return `${value.name || 'anonymous'} (function)`
  if (typeof value === 'object') return `${Object.prototype.toString.call(value).slice(8, -1)} (object)`
  return `${String(value)}${typeof value === 'bigint' ? 'n' : ''} (${typeof value})`
}

function invalidType (name, expected, value) {
  return argumentError(TypeError, 'ERR_INVALID_ARG_TYPE', `Expected *${name}* to be ${expected}, received ${describe(value)}`)
}

function outOfRange (name, expected, value) {
  return argumentError(RangeError, 'ERR_OUT_OF_RANGE', `Expected *${name}* to be ${expected}, received ${describe(value)}`)
}

function invalidValue (name, expected, value) {
  return argumentError(TypeError, 'ERR_INVALID_ARG_VALUE', `Expected *${name}* to be ${expected}, received ${describe(value)}`)
}

/** A whole number between two limits, both included. */
function integer (name, value, { min = 0, max = Number.MAX_SAFE_INTEGER } = {}) {
  if (typeof value !== 'number') throw invalidType(name, 'a number', value)
  if (!Number.isSafeInteger(value) || value < min || value > max) {
    const range = max === Number.MAX_SAFE_INTEGER ? `of at least ${min}` : `between ${min} and ${max}`
    throw outOfRange(name, `an integer ${range}`, value)
  }
  return value
}

function boolean (name, value) {
  if (typeof value !== 'boolean') throw invalidType(name, 'a boolean', value)
  return value
}

function string (name, value, { maxLength } = {}) {
  if (typeof value !== 'string') throw invalidType(name, 'a string', value)
  if (value.length === 0) throw invalidValue(name, 'a non-empty string', value)
  if (maxLength !== undefined && value.length > maxLength) throw outOfRange(name, `a string of at most ${maxLength} characters`, value)
  return value
}

function func (name, value) {
  if (typeof value !== 'function') throw invalidType(name, 'a function', value)
  return value
}

function oneOf (name, value, allowed) {
  if (!allowed.includes(value)) throw invalidValue(name, `one of ${allowed.map((item) => JSON.stringify(item)).join(', ')}`, value)
  return value
}

/** An AbortSignal of any realm. */
function abortSignal (name, value) {
  if (typeof value !== 'object' || value === null || typeof value.aborted !== 'boolean' || typeof value.addEventListener !== 'function') {
    throw invalidType(name, 'an AbortSignal', value)
  }
  return value
}

/**
 * Checks an options object, which may have known names only. An unknown option is an error that suggests a known name. A misspelt option
 * that is silently ignored would leave a limit unset in production.
 * @param {string} name the caller's name for the object
 * @param {unknown} value `undefined` means no options
 * @param {readonly string[]} known
 */
function options (name, value, known) {
  if (value === undefined) return {}
  if (typeof value !== 'object' || value === null || Array.isArray(value) || hasEntries(value)) throw invalidType(name, 'an object', value)
  for (const key of Object.keys(value)) {
    if (known.includes(key)) continue
    const near = nearest(key, known)
    throw argumentError(TypeError, 'ERR_INVALID_ARG_VALUE', near === undefined
      ? `Unknown option "${key}" in *${name}*; known are ${known.map((item) => `"${item}"`).join(', ')}`
      : `Unknown option "${key}" in *${name}*; did you mean "${near}"?`)
  }
  return value
}

/** A Map or Set of any realm: its entries are no properties, so each would be ignored. */
function hasEntries (value) {
  return isMap(value) || isSet(value)
}

/** A part of a name that is shorter says too little. */
const SHORTEST_PART = 3

/** The known word that a misspelt or shortened one most likely stands for, if any: a slip, then the beginning, end or middle of a word, then worse slips. */
function nearest (word, known) {
  const wanted = word.toLowerCase()
  const [best] = known
    .map((candidate) => ({ candidate, distance: editDistance(wanted, candidate.toLowerCase()) }))
    .sort((a, b) => a.distance - b.distance)
  if (best === undefined || best.distance <= 1) return best?.candidate
  const whole = partOf(wanted, known)
  if (whole !== undefined) return whole
  return best.distance <= Math.max(2, Math.floor(word.length / 3)) ? best.candidate : undefined
}

/** The shortest known word that begins with, ends with, or has this part. */
function partOf (part, known) {
  if (part.length < SHORTEST_PART) return undefined
  const byLength = [...known].sort((a, b) => a.length - b.length)
  for (const has of ['startsWith', 'endsWith', 'includes']) {
    const found = byLength.find((candidate) => candidate.toLowerCase()[has](part))
    if (found !== undefined) return found
  }
  return undefined
}

function editDistance (a, b) {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++) {
      next[j] = Math.min(row[j] + 1, next[j - 1] + 1, row[j - 1] + (a[i - 1] === b[j - 1] ? 0 : 1))
    }
    row = next
  }
  return row[b.length]
}

module.exports = { abortSignal, boolean, func, integer, invalidType, invalidValue, nearest, oneOf, options, outOfRange, string }
