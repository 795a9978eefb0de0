'use strict'

// Counts bytes that wait in streams, because a source is faster than its reader, or a writer is faster than its sink.
// They are read from a stream's own state, without its getters, because the application may have replaced those.

const { classNames } = require('./class-name.js')
const { Groups } = require('./groups.js')

function isStream (object) {
  return stateOf(object, '_readableState') !== undefined || stateOf(object, '_writableState') !== undefined || outputSizeOf(object) > 0
}

/** @returns {{ length: number, highWaterMark: number, objectMode: boolean } | undefined} */
function stateOf (object, name) {
  const state = Object.getOwnPropertyDescriptor(object, name)?.value
  if (typeof state !== 'object' || state === null) return undefined
  const { length, highWaterMark } = state
  if (typeof length !== 'number' || typeof highWaterMark !== 'number') return undefined
  return { length, highWaterMark, objectMode: state.objectMode === true }
}

/** Bytes that a response or request of node:http holds while it has no socket. It is no Writable, but its bytes wait too. */
function outputSizeOf (object) {
  const size = Object.getOwnPropertyDescriptor(object, 'outputSize')?.value
  return typeof size === 'number' && Array.isArray(Object.getOwnPropertyDescriptor(object, 'outputData')?.value) ? size : 0
}

/**
 * @param {object[]} streams
 * @returns {{ sums: object, rows: object[], objects: object[] }} a row for each stream in which something waits, those with
 *   most bytes first; `objects` are these streams
 */
function readStreams (streams) {
  const sums = { count: 0, readableBytes: 0, writableBytes: 0, waitingObjectCount: 0, overHighWaterMarkCount: 0 }
  const found = []
  const classOf = classNames()
  for (const stream of streams) {
    const readable = stateOf(stream, '_readableState')
    const writable = stateOf(stream, '_writableState')
    const outputSize = outputSizeOf(stream)
    sums.count++
    let bytes = outputSize
    let isOver = false
    if (readable !== undefined) {
      if (readable.objectMode) sums.waitingObjectCount += readable.length
      else sums.readableBytes += readable.length
      bytes += readable.objectMode ? 0 : readable.length
      isOver ||= readable.length > readable.highWaterMark
    }
    sums.writableBytes += outputSize
    if (writable !== undefined) {
      if (writable.objectMode) sums.waitingObjectCount += writable.length
      else sums.writableBytes += writable.length
      bytes += writable.objectMode ? 0 : writable.length
      isOver ||= writable.length > writable.highWaterMark
    }
    if (isOver) sums.overHighWaterMarkCount++
    const waiting = bytes + (readable?.objectMode ? readable.length : 0) + (writable?.objectMode ? writable.length : 0)
    if (waiting > 0) {
      const row = {
        className: classOf(stream),
        waitingBytes: bytes,
        readableLength: readable?.length ?? null,
        readableHighWaterMark: readable?.highWaterMark ?? null,
        readableObjectMode: readable?.objectMode ?? null,
        writableLength: writable?.length ?? (outputSize > 0 ? outputSize : null),
        writableHighWaterMark: writable?.highWaterMark ?? null,
        writableObjectMode: writable?.objectMode ?? null
      }
      found.push({ row, stream })
    }
  }
  found.sort(({ row: a }, { row: b }) => b.waitingBytes - a.waitingBytes || waitingObjectCount(b) - waitingObjectCount(a))
  return {
    sums: { ...sums, waitingBytes: sums.readableBytes + sums.writableBytes },
    rows: found.map(({ row }) => row),
    objects: found.map(({ stream }) => stream)
  }
}

/**
 * Groups streams by class and, where it is known, by retaining path.
 * @param {{ rows: object[] }} waiting
 * @param {Map<number, string | null>} paths by the number of the row
 * @param {number} limit
 */
function groupStreams ({ rows }, paths, limit) {
  const groups = new Groups()
  rows.forEach((row, number) => {
    const path = paths.get(number)
    const { className } = row
    const group = groups.of([className, path], () => ({ className, ...(path !== undefined && { path }), count: 0, waitingBytes: 0, waitingObjectCount: 0 }))
    group.count++
    group.waitingBytes += row.waitingBytes
    group.waitingObjectCount += waitingObjectCount(row)
  })
  return groups.largest((group) => group.waitingBytes, limit)
}

function waitingObjectCount ({ readableObjectMode, readableLength, writableObjectMode, writableLength }) {
  return (readableObjectMode ? readableLength : 0) + (writableObjectMode ? writableLength : 0)
}

module.exports = { groupStreams, isStream, readStreams }
