'use strict'

// Writes a heap snapshot in a child of the probe.

const v8 = require('node:v8')
const { OffheapError } = require('../../base/errors.js')
const binding = require('../../base/load.js')
const { takeText } = require('../../base/snapshot-text.js')
const { asThrown } = require('../../probe/thrown.js')
const { expectedBytes, learn, smallObjects } = require('../../probe/estimate.js')
const { run } = require('../../probe/run.js')

/** Bytes of text in one member of the gzip file. Each member is a separate deflate stream, so that it can be compressed synchronously. */
const gzipMemberBytes = 1 << 20

/**
 * Writes a heap snapshot of this thread's isolate to `temporaryPath`, which does not exist yet. The file appears when it is complete and on the
 * disk. Its mode is 0600.
 * @param {object} job
 * @param {string} job.temporaryPath
 * @param {boolean} [job.gzip]
 * @param {'auto' | 'memory' | 'disk'} [job.scratch] where the child's working memory comes from
 * @param {number} [job.timeoutMs]
 * @param {AbortSignal} [job.signal]
 * @param {(progress: { phase: 'generate' | 'serialize', byteLength: number }) => void} [job.onProgress] `byteLength`: of the file
 * @param {number} [job.minFreeDiskBytes] the child is ended when less than this is free on the disk
 * @returns {Promise<{ mode: 'probe', byteLength: number, contentBytes: number, pauseMs: number, attempts: number, scratch: 'memory' | 'disk', childPeakRssBytes: number | null, childAnonymousGrowthBytes: number | null, durationMs: number }>}
 */
async function writeSnapshotInProbe ({ temporaryPath, gzip = false, scratch = 'auto', timeoutMs = 600_000, signal, onProgress, minFreeDiskBytes }) {
  // zlib is loaded only when it is needed, because a program may configure Buffer before it loads zlib. It is loaded here, and not in the
  // child.
  if (gzip) require('node:zlib')
  const smallObjectsBytes = smallObjects()
  const { thrown, value, forkMs, ...result } = await run({
    work: () => writeSnapshot(gzip ? new GzipOutput() : new Output()),
    output: temporaryPath,
    scratch,
    // A snapshot contains the sizes of Buffers and not their contents.
    excludeMemory: true,
    expectedBytes: expectedBytes(smallObjectsBytes),
    timeoutMs,
    signal,
    onFork: () => onProgress?.({ phase: 'generate', byteLength: 0 }),
    onProgress: ({ byteLength }) => onProgress?.({ phase: 'serialize', byteLength }),
    minFreeDiskBytes
  })
  if (thrown !== undefined) {
    throw new OffheapError('ERR_OFFHEAP_PROBE_CRASHED', 'The snapshot failed in the probe\'s child', asThrown(thrown))
  }
  if (result.scratch === 'memory') learn(smallObjectsBytes, result.childAnonymousGrowthBytes)
  return { mode: 'probe', contentBytes: v8.deserialize(value), ...result }
}

/**
 * Runs in the child. `v8.writeHeapSnapshot(path)` is not used: on some lines it does not report a full disk, it needs a path (and
 * with --permission a grant for it), and it cannot compress.
 * @returns {number} the size of the snapshot before compression
 */
function writeSnapshot (sink) {
  const isComplete = takeText(v8.getHeapSnapshot(), (piece) => sink.write(piece))
  if (!isComplete) throw new Error('V8 stopped before the end of the snapshot')
  return sink.end()
}

class Output {
  #contentBytes = 0

  write (piece) {
    this.#contentBytes += piece.length
    binding.probeChildOutput(piece)
  }

  end () {
    binding.probeChildOutputDone()
    return this.#contentBytes
  }
}

/** Compresses without streams, because those need the event loop. Uses level 1, because the child competes with the service for the CPU. */
class GzipOutput {
  #contentBytes = 0
  #pieces = []
  #pendingBytes = 0

  write (piece) {
    this.#contentBytes += piece.length
    this.#pendingBytes += piece.length
    this.#pieces.push(piece)
    if (this.#pendingBytes >= gzipMemberBytes) this.#flush()
  }

  end () {
    if (this.#pendingBytes > 0) this.#flush()
    binding.probeChildOutputDone()
    return this.#contentBytes
  }

  #flush () {
    const { gzipSync } = require('node:zlib')
    binding.probeChildOutput(gzipSync(Buffer.concat(this.#pieces), { level: 1 }))
    this.#pieces = []
    this.#pendingBytes = 0
  }
}

module.exports = { writeSnapshotInProbe }
