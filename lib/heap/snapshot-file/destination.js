'use strict'

// Prepares the destination of a snapshot: checks the path and the disk, and names the temporary file.
// A snapshot contains every secret of the process. So offheap never writes through a link that another user could have placed.

const fs = require('node:fs')
const path = require('node:path')
const binding = require('../../base/load.js')
const { OffheapError, fromNative } = require('../../base/errors.js')
const { onExit } = require('../../base/exit-listener.js')
const { makeFolders } = require('./directory.js')
const { pathRefused } = require('./failure.js')
const { removeAbandoned } = require('./retention.js')
const { partialName, snapshotName } = require('./names.js')

/**
 * Creates the directory, checks it and the disk, and names the temporary file, which is in the same directory as the final one.
 * @returns {Promise<{ directory: string, file: string, temporaryPath: string, finished: () => void }>}
 */
async function prepareDestination (settings) {
  const directory = await makeDirectory(settings.file === undefined ? settings.directory : path.dirname(settings.file))
  const name = settings.file === undefined ? snapshotName(settings) : path.basename(settings.file)
  const file = path.join(directory, name)
  refuseUnlessGranted(file)
  await refuseUnlessRegular(file)
  await removeAbandoned(directory, name)
  await checkDisk(directory, settings.minFreeDiskBytes)
  const temporaryPath = path.join(directory, partialName(name))
  return { directory, file, temporaryPath, finished: removeAtEnd(temporaryPath) }
}

/**
 * Arranges that a temporary file is removed when this thread ends before the file is complete. The native side removes it when a worker is
 * terminated. A listener removes it when the process exits.
 * @returns {() => void} ends this; the caller calls it when the file is complete or was removed
 */
function removeAtEnd (temporaryPath) {
  const number = fromNative(() => binding.notePartialFile(temporaryPath))
  const ignoreExit = onExit(() => fs.rmSync(temporaryPath, { force: true }))
  return () => {
    ignoreExit()
    binding.forgetPartialFile(number)
  }
}

/** Creates a directory with mode 0700 when it is missing. Returns its real path. */
async function makeDirectory (directory) {
  let stat = await statLink(directory)
  if (stat === undefined) {
    await makeFolders(directory)
    // Read again, because another process may have created something there first, for example a link.
    stat = await fs.promises.lstat(directory)
  }
  if (stat.isSymbolicLink()) {
    // The kernel's own rule for links in shared folders (fs.protected_symlinks): only its owner may follow a link. In /tmp any user can
    // place a link under the name that a service uses.
    if (process.geteuid !== undefined && stat.uid !== process.geteuid() && stat.uid !== 0) {
      throw pathRefused(directory, `is a symlink that belongs to user ${stat.uid}`)
    }
    if (!(await fs.promises.stat(directory)).isDirectory()) throw pathRefused(directory, 'is a symlink to something that is not a directory')
  } else if (!stat.isDirectory()) {
    throw pathRefused(directory, 'is not a directory')
  }
  return fs.promises.realpath(directory)
}

/** Asks Node's permission model, because the child and the addon write without it. */
function refuseUnlessGranted (file) {
  const { permission } = process
  for (const path of [file, `${file}.partial`]) {
    if (permission === undefined || permission.has('fs.write', path)) continue
    const error = new Error(`Access to this API has been restricted: --allow-fs-write does not cover ${path}`)
    error.code = 'ERR_ACCESS_DENIED'
    throw error
  }
}

async function refuseUnlessRegular (file) {
  const stat = await statLink(file)
  if (stat === undefined || stat.isFile()) return
  throw pathRefused(file, stat.isSymbolicLink() ? 'is a symlink' : stat.isDirectory() ? 'is a directory' : 'is not a regular file')
}

async function statLink (file) {
  try {
    return await fs.promises.lstat(file)
  } catch (error) {
    if (error.code === 'ENOENT') return undefined
    throw error
  }
}

async function checkDisk (directory, minFreeDiskBytes) {
  const { bavail, blocks, bsize } = await fs.promises.statfs(directory)
  // Some network and FUSE file systems do not report it.
  if (blocks === 0) return
  const freeBytes = bavail * bsize
  if (freeBytes >= minFreeDiskBytes) return
  throw new OffheapError('ERR_OFFHEAP_SNAPSHOT_NO_DISK_SPACE',
    `${directory} has ${freeBytes} bytes free, and *minFreeDiskBytes* is ${minFreeDiskBytes}; nothing was written. Free disk space or pass another *directory*`)
}

module.exports = { prepareDestination }
