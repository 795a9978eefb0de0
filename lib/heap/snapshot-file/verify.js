'use strict'

const { OffheapError } = require('../../base/errors.js')

/**
 * Checks the beginning and the end of a snapshot that was just written. Other tools left empty or incomplete files under their final name, and
 * users noticed this days later, in DevTools.
 * @param {import('node:fs').promises.FileHandle} handle open for reading
 * @param {{ gzip: boolean, byteLength: number, contentBytes: number | null }} expected the figures of the writer
 */
async function verify (handle, { gzip, byteLength, contentBytes }) {
  const { size } = await handle.stat()
  const head = await readAt(handle, 0, 12)
  const tail = await readAt(handle, Math.max(0, size - 16), 16)
  const complete = size === byteLength && (gzip ? isGzip(size, head, tail, contentBytes) : isSnapshotText(head.toString('latin1'), tail.toString('latin1')))
  if (!complete) throw truncated(`${byteLength} bytes were written, the file has ${size} and does not begin and end as a snapshot does`)
}

/** Checks the magic number of RFC 1952, and the last four bytes: the size of the last member before compression, modulo 2^32. */
function isGzip (size, head, tail, contentBytes) {
  return size > 18 && head.readUInt16BE(0) === 0x1f8b && (contentBytes === null || tail.readUInt32LE(12) === contentBytes % 2 ** 32)
}

/** Whether these are the first and the last characters of a snapshot. V8 writes the list of strings last. */
function isSnapshotText (head, tail) {
  return /^\s*\{\s*"snapshot"/.test(head) && /\]\s*\}\s*$/.test(tail)
}

async function readAt (handle, position, length) {
  const buffer = Buffer.alloc(length)
  const { bytesRead } = await handle.read(buffer, 0, length, position)
  return buffer.subarray(0, bytesRead)
}

function truncated (fact) {
  return new OffheapError('ERR_OFFHEAP_SNAPSHOT_TRUNCATED', `The snapshot is not complete: ${fact}; it was removed`)
}

module.exports = { truncated, verify }
