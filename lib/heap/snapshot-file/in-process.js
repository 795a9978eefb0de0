'use strict'

// Writes a snapshot in this process. It pauses this thread twice: V8 builds the snapshot, and then serializes it as text. Between the two
// pauses there is one event-loop tick. Compression runs after both, outside of this thread.
//
// It uses v8.getHeapSnapshot() and not v8.writeHeapSnapshot(path). Pause and memory are the same (measured, docs/heap-snapshots.md). But
// offheap itself opens the file, once and exclusively, and notices the first write that fails.

const fs = require('node:fs')
const v8 = require('node:v8')
const { performance } = require('node:perf_hooks')
const { setImmediate: nextTick } = require('node:timers/promises')
const { takeText } = require('../../base/snapshot-text.js')
const { afterInProcess } = require('./after-in-process.js')
const { throwIfAborted } = require('../../base/abort.js')
const { createPrivate } = require('./private-file.js')
const { truncated } = require('./verify.js')

// Z_BEST_SPEED, as a number because zlib is loaded only when it is needed. It compresses to a sixth. The default level compresses to a
// seventh, and takes two to three times as long (44 MB, Node 20 and 24).
const GZIP_LEVEL = 1
const COPY_BYTES = 2 ** 18

/**
 * @type {import('./take.js').Writer}
 */
async function writeInProcess ({ temporaryPath, gzip, trim, signal, onProgress }) {
  // The file is created before the pause, so that a folder that cannot be written to causes no pause.
  const file = await createPrivate(temporaryPath)
  try {
    if (!gzip) {
      const { contentBytes, pauseMs } = await writeText(file.fd, { trim, signal, onProgress })
      return { mode: 'in-process', attempts: 1, pauseMs, byteLength: contentBytes, contentBytes }
    }
    // The text is written to a scratch file first. Compressing it during the pause would lengthen the pause, and keeping it in memory would
    // double the memory. The scratch file has no name, so the system removes it in any case.
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
    // In this tick the service answers health checks and heartbeats that waited.
    await nextTick()
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

/** Writes the whole text, synchronously. Returns its length. */
function serialize (stream, fd) {
  let contentBytes = 0
  const isComplete = takeText(stream, (piece) => {
    for (let written = 0; written < piece.length;) written += fs.writeSync(fd, piece, written)
    contentBytes += piece.length
  })
  if (!isComplete) throw truncated(`V8 stopped after ${contentBytes} bytes`)
  return contentBytes
}

/** Compresses one file into another, on libuv's thread pool. Returns the compressed length. */
async function compress (from, to, signal) {
  const gzip = require('node:zlib').createGzip({ level: GZIP_LEVEL })
  let byteLength = 0
  const written = (async () => {
    for await (const chunk of gzip) {
      for (let done = 0; done < chunk.length;) done += (await to.write(chunk, done)).bytesWritten
      byteLength += chunk.length
    }
  })()
  // When a write fails, the gzip stream is closed, and it then never calls back (seen on Node 20 to 26).
  const failed = new Promise((resolve, reject) => written.catch(reject))
  failed.catch(() => {})
  try {
    // One buffer is enough: the next read waits until zlib has consumed the last one.
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
    // No operation may be running on the files when the caller closes them.
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
