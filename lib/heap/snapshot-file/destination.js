'use strict'

// Where a snapshot goes: the checks on the way, and the name while it is written.
// It holds every secret of the process: nothing is written through a link that somebody else could have placed.

const fs = require('node:fs')
const path = require('node:path')
const binding = require('../../base/load.js')
const { OffheapError, fromNative } = require('../../base/errors.js')
const { onExit } = require('../../base/exit-listener.js')
const { makeFolders } = require('./directory.js')
const { pathRefused } = require('./failure.js')
const { sweep } = require('./folder.js')
const { partialName, snapshotName } = require('./names.js')

/**
 * Makes the directory, checks it and the disk, and names the temporary file beside the final one.
 * @returns {Promise<{ directory: string, file: string, temporaryPath: string, finished: () => void }>}
 */
async function prepareDestination (settings) {
  const directory = await makeDirectory(settings.file === undefined ? settings.directory : path.dirname(settings.file))
  const name = settings.file === undefined ? snapshotName(settings) : path.basename(settings.file)
  const file = path.join(directory, name)
  refuseUnlessGranted(file)
  await refuseUnlessRegular(file)
  await sweep(directory, name)
  await checkDisk(directory, settings.minFreeDiskBytes)
  const temporaryPath = path.join(directory, partialName(name))
  return { directory, file, temporaryPath, finished: removeWhenAbandoned(temporaryPath) }
}

/**
 * Has a file removed when this thread ends before it is finished: the native side when it is a worker that is
 * terminated, a handler when somebody calls process.exit.
 * @returns {() => void} to be called when the file is finished, or gone
 */
function removeWhenAbandoned (temporaryPath) {
  const number = fromNative(() => binding.notePartialFile(temporaryPath))
  const ignoreExit = onExit(() => fs.rmSync(temporaryPath, { force: true }))
  return () => {
    ignoreExit()
    binding.forgetPartialFile(number)
  }
}

/** The real path of a directory that is there now, made with 0700 where it was not. */
async function makeDirectory (directory) {
  let stat = await statLink(directory)
  if (stat === undefined) {
    await makeFolders(directory)
    // Looked at again: it is made without an error where somebody was quicker, with a link for instance.
    stat = await fs.promises.lstat(directory)
  }
  if (stat.isSymbolicLink()) {
    // The kernel's own rule for links in shared folders (fs.protected_symlinks): a link is followed for its owner.
    // In /tmp anybody can place one under the name that a service is known to use.
    if (process.geteuid !== undefined && stat.uid !== process.geteuid() && stat.uid !== 0) {
      throw pathRefused(directory, `is a symlink that belongs to user ${stat.uid}`)
    }
    if (!(await fs.promises.stat(directory)).isDirectory()) throw pathRefused(directory, 'is a symlink to something that is not a directory')
  } else if (!stat.isDirectory()) {
    throw pathRefused(directory, 'is not a directory')
  }
  return fs.promises.realpath(directory)
}

/** The child and the addon write past Node's permission model, so it is asked first. */
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
  // Some network and FUSE file systems do not say.
  if (blocks === 0) return
  const freeBytes = bavail * bsize
  if (freeBytes >= minFreeDiskBytes) return
  throw new OffheapError('ERR_OFFHEAP_SNAPSHOT_NO_DISK_SPACE',
    `${directory} has ${freeBytes} bytes free, and *minFreeDiskBytes* is ${minFreeDiskBytes}; nothing was written. Free disk space or pass another *directory*`)
}

module.exports = { prepareDestination }
