'use strict'

// Creates the directory of snapshots, and says whether it can be written to.

const fs = require('node:fs')
const path = require('node:path')

/**
 * Creates a directory and its missing parents, each with mode 0700. It does not use `recursive: true`: in a file system that reports a missing
 * directory and cannot create it (/proc), Node 20 to 24 then tries without end, on a thread of libuv.
 */
async function makeFolders (directory) {
  const missing = []
  for (let folder = directory; ; folder = path.dirname(folder)) {
    try {
      await fs.promises.mkdir(folder, { mode: 0o700 })
      break
    } catch (error) {
      // It exists: it existed before, or another process created it first.
      if (error.code === 'EEXIST') break
      if (error.code !== 'ENOENT' || folder === path.dirname(folder) || await exists(path.dirname(folder))) throw error
      missing.unshift(folder)
    }
  }
  for (const folder of missing) {
    try {
      await fs.promises.mkdir(folder, { mode: 0o700 })
    } catch (error) {
      if (error.code !== 'EEXIST') throw error
    }
  }
}

async function exists (folder) {
  try {
    await fs.promises.lstat(folder)
    return true
  } catch {
    return false
  }
}

/**
 * Why nothing can be written to a directory, which may have to be created first; undefined when no reason is known. Changes nothing on the
 * disk.
 */
function whyNotWritable (directory) {
  // Under Node's permission model, reading the directory may not be allowed.
  const { permission } = process
  if (permission !== undefined) return permission.has('fs.write', path.join(directory, 'heap')) ? undefined : '--allow-fs-write does not cover it'
  for (let folder = directory; ; folder = path.dirname(folder)) {
    let stat
    try {
      stat = fs.statSync(folder)
    } catch (error) {
      if (error.code === 'ENOENT' && folder !== path.dirname(folder)) continue
      // A part of the path is a file.
      return error.code === 'ENOTDIR' ? 'a part of the path is not a directory' : error.message
    }
    if (!stat.isDirectory()) return `${folder} is not a directory`
    try {
      fs.accessSync(folder, fs.constants.W_OK | fs.constants.X_OK)
      return undefined
    } catch (error) {
      return error.code === 'EROFS' ? `${folder} is on a read-only file system` : error.message
    }
  }
}

module.exports = { makeFolders, whyNotWritable }
