'use strict'

// How much memory V8's snapshot generator will need: by objects, not by bytes, so what counts is the part of the heap
// that small objects fill. Node's own documentation says "about twice the heap"; measured on Node 20 to 26, objects of
// four fields: 10 to 13 times.

const v8 = require('node:v8')

const firstFactor = 14
/** A heap that was mostly garbage needed little; the next one may be all alive. */
const leastFactor = 7
/** What every snapshot takes, also of an empty heap. */
const baseBytes = 48 * 2 ** 20
/** One snapshot's need is a good guess for the next one's, not a promise. */
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

/** Takes note of what a child did need. */
function learn (smallObjectsBytes, neededBytes) {
  if (neededBytes === null) return
  factor = Math.min(firstFactor * 1.5, Math.max(leastFactor, margin * (neededBytes - baseBytes) / smallObjectsBytes))
}

module.exports = { expectedBytes, learn, smallObjects }
