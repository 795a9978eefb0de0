'use strict'

const { OffheapError } = require('../../base/errors.js')

/** The error to hand out for what went wrong while a snapshot was written. */
function snapshotFailure (error, what) {
  if (error instanceof OffheapError) return error
  const code = error?.code
  if (code === 'ENOSPC' || code === 'EDQUOT') {
    return new OffheapError('ERR_OFFHEAP_SNAPSHOT_NO_DISK_SPACE',
      `The disk ran full while ${what} (${code}); nothing is left of it. Free disk space or pass another *directory*`, error)
  }
  return new OffheapError('ERR_OFFHEAP_SNAPSHOT_WRITE_FAILED', `${what} failed: ${error?.message ?? error}`, error)
}

function pathRefused (file, fact) {
  return new OffheapError('ERR_OFFHEAP_SNAPSHOT_PATH_REFUSED',
    `${file} ${fact}; a snapshot holds every secret of the process and is not written there. Pass the real path of a regular file or directory`)
}

module.exports = { pathRefused, snapshotFailure }
