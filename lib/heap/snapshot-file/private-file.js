'use strict'

const fs = require('node:fs')

// Windows lacks O_NOFOLLOW.
const { O_CREAT, O_EXCL, O_NOFOLLOW = 0, O_RDWR } = fs.constants

/** Creates a file that only its owner can read, whatever the umask. Fails when the file exists. */
function createPrivate (file) {
  return fs.promises.open(file, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600)
}

/** Opens an existing file, but not through a link. It is opened for writing too, because Windows does not sync a file that is open for reading only. */
function openExisting (file) {
  return fs.promises.open(file, O_RDWR | O_NOFOLLOW)
}

module.exports = { createPrivate, openExisting }
