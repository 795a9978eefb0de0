'use strict'

// Finds the paths that retain the marked objects, in a heap snapshot of the same instant that the heap room reads. The snapshot stays in memory,
// compressed. So no file with the secrets of the process is written, and no permission to write is needed.

const v8 = require('node:v8')
const { fromNative } = require('../../base/errors.js')
const binding = require('../../base/load.js')
const { takeText } = require('../../base/snapshot-text.js')

/** Bytes of text in one member of the gzip stream. */
const MEMBER_BYTES = 2 ** 20
/** The most paths per object. */
const HOLDERS = 3

/** src/heap/report/holders.rs finds the marks by the name of this class. */
class OffheapMarks {}

/**
 * The retaining paths of each object, in the same order; null when only the engine retains it. The caller must not retain the objects,
 * because it would be on the paths.
 * @param {{ store?: WeakRef<ArrayBuffer>, object?: WeakRef<object> }[]} found of a store, the paths of its views are found
 * @param {number} fullCount this many objects, from the first, get their most common paths; the others get the shortest one
 * @returns {({ path: string, holders: { path: string, count: number }[] } | null)[]}
 */
function readRetainers (found, fullCount) {
  const marks = new OffheapMarks()
  found.forEach(({ store, object }, index) => { marks[`${store === undefined ? 'o' : 'm'}${index}`] = store ?? object })
  const text = fromNative(() => binding.bufferHolders(snapshot(), fullCount, found.length, HOLDERS))
  // This use keeps the marks alive until here.
  return Object.keys(marks).length === 0 ? [] : JSON.parse(text)
}

/** The text of a heap snapshot, compressed with gzip, in pieces. */
function snapshot () {
  // In a child of the probe zlib is loaded already; see lib/buffers/census.js.
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
