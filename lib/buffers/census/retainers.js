'use strict'

// Who holds the largest offenders, and whatever else is marked: a heap snapshot of the same instant, read by the heap room. It stays in
// memory, compressed: no file with everybody's secrets, and no permission to write one.

const v8 = require('node:v8')
const { fromNative } = require('../../base/errors.js')
const binding = require('../../base/load.js')
const { takeText } = require('../../base/snapshot-text.js')

/** A member of the gzip stream, made at a time. */
const MEMBER_BYTES = 2 ** 20
/** Different paths per offender. */
const HOLDERS = 3

/** Its name is what src/heap/report/holders.rs looks for. */
class OffheapMarks {}

/**
 * Who holds each, in their order; null where nothing but the engine does. Nothing else may hold what was found: it would be
 * on the paths.
 * @param {{ store?: WeakRef<ArrayBuffer>, object?: WeakRef<object> }[]} found a store stands for the views of it: who holds those is looked for
 * @param {number} fullCount for the first of them the commonest holders are given, for the others the nearest
 * @returns {({ path: string, holders: { path: string, count: number }[] } | null)[]}
 */
function readRetainers (found, fullCount) {
  const marks = new OffheapMarks()
  found.forEach(({ store, object }, index) => { marks[`${store === undefined ? 'o' : 'm'}${index}`] = store ?? object })
  const text = fromNative(() => binding.bufferHolders(snapshot(), fullCount, found.length, HOLDERS))
  // The marks have to be there until now.
  return Object.keys(marks).length === 0 ? [] : JSON.parse(text)
}

/** The text of a snapshot, gzip'd, in pieces. */
function snapshot () {
  // Loaded already where this is a probe's child: see lib/buffers/census.js.
  const { gzipSync } = require('node:zlib')
  const stream = v8.getHeapSnapshot()
  const members = []
  let pieces = []
  let pendingBytes = 0
  const flush = () => {
    members.push(gzipSync(Buffer.concat(pieces), { level: 1 }))
    pieces = []
    pendingBytes = 0
  }
  let isComplete
  try {
    isComplete = takeText(stream, (piece) => {
      pieces.push(piece)
      pendingBytes += piece.length
      if (pendingBytes >= MEMBER_BYTES) flush()
    })
  } finally {
    stream.destroy()
  }
  if (!isComplete) throw new Error('V8 stopped before the end of the snapshot')
  if (pendingBytes > 0) flush()
  return members
}

module.exports = { readRetainers }
