'use strict'

const fs = require('node:fs')

// Missing on Windows.
const { O_CREAT, O_EXCL, O_NOFOLLOW = 0, O_RDWR } = fs.constants

/** A new file that only its owner can read, whatever the umask; where there is something already, that is an error. */
function createPrivate (file) {
  return fs.promises.open(file, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600)
}

/** A file that is there, not through a link. For writing too: Windows syncs no file that is open for reading only. */
function openExisting (file) {
  return fs.promises.open(file, O_RDWR | O_NOFOLLOW)
}

module.exports = { createPrivate, openExisting }
