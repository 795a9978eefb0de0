'use strict'

const fs = require('node:fs')
const os = require('node:os')
const path = require('node:path')
const { spawnSync } = require('node:child_process')

/** An empty folder that is gone after the test. */
function emptyFolder (t) {
  const folder = fs.mkdtempSync(path.join(fs.realpathSync(os.tmpdir()), 'offheap-test-'))
  t.after(() => fs.rmSync(folder, { recursive: true, force: true }))
  return folder
}

/** A disk of this size that is gone after the test; undefined where none can be mounted. */
function smallDisk (t, size) {
  const folder = fs.mkdtempSync(path.join(fs.realpathSync(os.tmpdir()), 'offheap-test-'))
  const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${size}`, 'tmpfs', folder]).status === 0
  t.after(() => {
    if (mounted) spawnSync('umount', [folder])
    fs.rmdirSync(folder)
  })
  return mounted ? folder : undefined
}

module.exports = { emptyFolder, smallDisk }
