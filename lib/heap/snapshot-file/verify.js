'use strict'

const { OffheapError } = require('../../base/errors.js')

/**
 * Checks the two ends of a snapshot that was just written. Other tools left files of 0 bytes and files that stop in the
 * middle under their final name, and people found out in DevTools, days later.
 * @param {import('node:fs').promises.FileHandle} handle open for reading
 * @param {{ gzip: boolean, byteLength: number, contentBytes: number | null }} expected what its writer says
 */
async function verify (handle, { gzip, byteLength, contentBytes }) {
  const { size } = await handle.stat()
  const head = await readAt(handle, 0, 12)
  const tail = await readAt(handle, Math.max(0, size - 16), 16)
  const complete = size === byteLength && (gzip ? isGzip(size, head, tail, contentBytes) : isSnapshotText(head.toString('latin1'), tail.toString('latin1')))
  if (!complete) throw truncated(`${byteLength} bytes were written, the file has ${size} and does not begin and end as a snapshot does`)
}

/** RFC 1952: magic number; and as the last four bytes the size before compression, modulo 2^32 (of the last member). */
function isGzip (size, head, tail, contentBytes) {
  return size > 18 && head.readUInt16BE(0) === 0x1f8b && (contentBytes === null || tail.readUInt32LE(12) === contentBytes % 2 ** 32)
}

/** Whether these are the first and last characters of a snapshot; V8 ends it with the list of strings. */
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
