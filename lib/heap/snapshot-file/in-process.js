'use strict'

// The writer that stops this thread: V8 builds the snapshot, then hands it over as text. Two stops, with a turn of the
// event loop between them; compression comes after both, off this thread.
//
// v8.getHeapSnapshot() rather than v8.writeHeapSnapshot(path): same pause, same memory (measured, docs/heap-snapshots.md),
// but the file is ours, opened once, exclusively, and the first write that fails is known.

const fs = require('node:fs')
const v8 = require('node:v8')
const { performance } = require('node:perf_hooks')
const { setImmediate: nextTurn } = require('node:timers/promises')
const { takeText } = require('../../base/snapshot-text.js')
const { afterInProcess } = require('./after-in-process.js')
const { throwIfAborted } = require('../../base/abort.js')
const { createPrivate } = require('./private-file.js')
const { truncated } = require('./verify.js')

// The usual level makes it a seventh instead of a sixth and takes two to three times as long (44 MB, Node 20 and 24).
// Z_BEST_SPEED; zlib is loaded when it is needed.
const GZIP_LEVEL = 1
const COPY_BYTES = 2 ** 18

/**
 * @type {import('./take.js').Writer}
 */
async function writeInProcess ({ temporaryPath, gzip, trim, signal, onProgress }) {
  // Made before the pause: a folder that cannot be written to costs none.
  const file = await createPrivate(temporaryPath)
  try {
    if (!gzip) {
      const { contentBytes, pauseMs } = await writeText(file.fd, { trim, signal, onProgress })
      return { mode: 'in-process', attempts: 1, pauseMs, byteLength: contentBytes, contentBytes }
    }
    // The text goes to a file first: compressing it as it comes would lengthen the pause, and keeping it would double
    // the memory. The file has no name from here on, so that nothing is left of it however this ends.
    const scratchPath = temporaryPath.replace(/\.partial$/, '-raw.partial')
    const scratch = await createPrivate(scratchPath)
    try {
      await fs.promises.unlink(scratchPath)
      const { contentBytes, pauseMs } = await writeText(scratch.fd, { trim, signal, onProgress })
      onProgress({ phase: 'compress' })
      const byteLength = await compress(scratch, file, signal)
      return { mode: 'in-process', attempts: 1, pauseMs, byteLength, contentBytes }
    } finally {
      await scratch.close()
    }
  } finally {
    await file.close()
  }
}

async function writeText (fd, { trim, signal, onProgress }) {
  throwIfAborted(signal)
  onProgress({ phase: 'generate' })
  const [stream, generateMs] = timed(() => v8.getHeapSnapshot())
  let pauseMs = generateMs
  try {
    // Health checks and heartbeats that waited get their answer here.
    await nextTurn()
    throwIfAborted(signal)
    onProgress({ phase: 'serialize' })
    const [contentBytes, serializeMs] = timed(() => serialize(stream, fd))
    pauseMs += serializeMs
    if (trim) pauseMs += await afterInProcess()
    return { contentBytes, pauseMs }
  } finally {
    stream.destroy()
  }
}

/** Writes the whole text, synchronously, and says how long it is. */
function serialize (stream, fd) {
  let contentBytes = 0
  const isComplete = takeText(stream, (piece) => {
    for (let written = 0; written < piece.length;) written += fs.writeSync(fd, piece, written)
    contentBytes += piece.length
  })
  if (!isComplete) throw truncated(`V8 stopped after ${contentBytes} bytes`)
  return contentBytes
}

/** Compresses one file into another, on Node's thread pool, and says how long it came out. */
async function compress (from, to, signal) {
  const gzip = require('node:zlib').createGzip({ level: GZIP_LEVEL })
  let byteLength = 0
  const written = (async () => {
    for await (const chunk of gzip) {
      for (let done = 0; done < chunk.length;) done += (await to.write(chunk, done)).bytesWritten
      byteLength += chunk.length
    }
  })()
  // Writing that fails closes the gzip stream, which then forgets to call back (seen on Node 20 to 26).
  const failed = new Promise((resolve, reject) => written.catch(reject))
  failed.catch(() => {})
  try {
    // One buffer for all: the next read waits until zlib is done with the last one.
    const buffer = Buffer.allocUnsafeSlow(COPY_BYTES)
    for (let position = 0; ;) {
      throwIfAborted(signal)
      const { bytesRead } = await from.read(buffer, 0, buffer.length, position)
      if (bytesRead === 0) break
      position += bytesRead
      const consumed = new Promise((resolve) => { gzip.write(buffer.subarray(0, bytesRead), resolve) })
      await Promise.race([consumed, failed])
    }
    gzip.end()
    await written
    return byteLength
  } catch (error) {
    gzip.destroy()
    // Nothing may be under way on the files when their owner closes them.
    await written.catch(() => {})
    throw error
  }
}

function timed (work) {
  const start = performance.now()
  const result = work()
  return [result, performance.now() - start]
}

module.exports = { writeInProcess }
