'use strict'

const { OffheapError, messageOf } = require('../../base/errors.js')

/** The public error for an error that occurred while a snapshot was written. */
function snapshotFailure (error, what) {
  if (error instanceof OffheapError) return error
  const code = error?.code
  if (code === 'ENOSPC' || code === 'EDQUOT') {
    return new OffheapError('ERR_OFFHEAP_SNAPSHOT_NO_DISK_SPACE',
      `${what} failed: the disk ran full (${code}); the incomplete file was removed. Free disk space or pass another *directory*`, error)
  }
  return new OffheapError('ERR_OFFHEAP_SNAPSHOT_WRITE_FAILED', `${what} failed: ${messageOf(error)}`, error)
}

function pathRefused (file, fact) {
  return new OffheapError('ERR_OFFHEAP_SNAPSHOT_PATH_REFUSED',
    `${file} ${fact}; a snapshot contains every secret of the process, so it is not written there. Pass the real path of a regular file or directory`)
}

module.exports = { pathRefused, snapshotFailure }
