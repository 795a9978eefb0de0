'use strict'

// How much memory V8's snapshot generator will need. It needs memory by object, not by byte, so the estimate uses the part of the
// heap that small objects fill. Node's documentation says "about twice the heap"; 10 to 13 times were measured, with objects of
// four fields, on Node 20 to 26.

const v8 = require('node:v8')

const firstFactor = 14
/** A heap that was mostly garbage needed little memory. The next one may have none. */
const leastFactor = 7
/** What a snapshot of an empty heap takes. */
const baseBytes = 48 * 2 ** 20
/** The next snapshot needs about as much as the last one, but it may need more. */
const margin = 1.25

let factor = firstFactor

/** Bytes of small objects, garbage included; arrays and strings with a page of their own are one node each. */
function smallObjects () {
  return v8.getHeapSpaceStatistics()
    .filter(({ space_name: name }) => !name.includes('large_object') && name !== 'read_only_space')
    .reduce((sum, { space_used_size: bytes }) => sum + bytes, 0)
}

/** What the child is expected to need. */
function expectedBytes (smallObjectsBytes) {
  return Math.round(baseBytes + smallObjectsBytes * factor)
}

/** Records what a child has needed. */
function learn (smallObjectsBytes, neededBytes) {
  if (neededBytes === null) return
  factor = Math.min(firstFactor * 1.5, Math.max(leastFactor, margin * (neededBytes - baseBytes) / smallObjectsBytes))
}

module.exports = { expectedBytes, learn, smallObjects }
