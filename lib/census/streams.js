'use strict'

// Bytes that wait in streams: read from a source faster than anybody takes them, or written faster than they go out.
// Read from a stream's own state, without its getters: those can be anybody's.

const { className } = require('./class-name.js')

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

/** What a response or request of node:http holds while it has no socket; it is no Writable, but waits like one. */
function outputSizeOf (object) {
  const size = Object.getOwnPropertyDescriptor(object, 'outputSize')?.value
  return typeof size === 'number' && Array.isArray(Object.getOwnPropertyDescriptor(object, 'outputData')?.value) ? size : 0
}

/**
 * @param {object[]} streams
 * @param {number} top
 */
function readStreams (streams, top) {
  const sums = { count: 0, readableBytes: 0, writableBytes: 0, waitingObjects: 0, overHighWaterMarkCount: 0 }
  const rows = []
  for (const stream of streams) {
    const readable = stateOf(stream, '_readableState')
    const writable = stateOf(stream, '_writableState')
    const outputSize = outputSizeOf(stream)
    sums.count++
    let bytes = outputSize
    let isOver = false
    if (readable !== undefined) {
      if (readable.objectMode) sums.waitingObjects += readable.length
      else sums.readableBytes += readable.length
      bytes += readable.objectMode ? 0 : readable.length
      isOver ||= readable.length > readable.highWaterMark
    }
    sums.writableBytes += outputSize
    if (writable !== undefined) {
      if (writable.objectMode) sums.waitingObjects += writable.length
      else sums.writableBytes += writable.length
      bytes += writable.objectMode ? 0 : writable.length
      isOver ||= writable.length > writable.highWaterMark
    }
    if (isOver) sums.overHighWaterMarkCount++
    const waiting = bytes + (readable?.objectMode ? readable.length : 0) + (writable?.objectMode ? writable.length : 0)
    if (waiting > 0) {
      rows.push({
        className: className(stream),
        waitingBytes: bytes,
        readableLength: readable?.length ?? null,
        readableHighWaterMark: readable?.highWaterMark ?? null,
        readableObjectMode: readable?.objectMode ?? null,
        writableLength: writable?.length ?? (outputSize > 0 ? outputSize : null),
        writableHighWaterMark: writable?.highWaterMark ?? null,
        writableObjectMode: writable?.objectMode ?? null
      })
    }
  }
  rows.sort((a, b) => b.waitingBytes - a.waitingBytes || objects(b) - objects(a))
  return { ...sums, waitingBytes: sums.readableBytes + sums.writableBytes, top: rows.slice(0, top) }
}

function objects ({ readableObjectMode, readableLength, writableObjectMode, writableLength }) {
  return (readableObjectMode ? readableLength : 0) + (writableObjectMode ? writableLength : 0)
}

module.exports = { isStream, readStreams }
