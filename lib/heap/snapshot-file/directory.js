'use strict'

// The directory of snapshots: making it, and whether it could be written to.

const fs = require('node:fs')
const path = require('node:path')

/**
 * Makes a directory and what is missing above it, each with 0700. Not with `recursive: true`: where a file system says that a
 * directory is not there and cannot make it either (/proc), Node 20 to 24 then tries for ever, on a thread of libuv's.
 */
async function makeFolders (directory) {
  const missing = []
  for (let folder = directory; ; folder = path.dirname(folder)) {
    try {
      await fs.promises.mkdir(folder, { mode: 0o700 })
      break
    } catch (error) {
      // It is there: somebody was quicker, or it was there all along.
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

/** Why nothing can be written to a directory, made first if need be; undefined where nothing speaks against it. Changes nothing. */
function whyNotWritable (directory) {
  // Under Node's permission model nothing else may be looked at.
  const { permission } = process
  if (permission !== undefined) return permission.has('fs.write', path.join(directory, 'heap')) ? undefined : '--allow-fs-write does not cover it'
  for (let folder = directory; ; folder = path.dirname(folder)) {
    let stat
    try {
      stat = fs.statSync(folder)
    } catch (error) {
      if (error.code === 'ENOENT' && folder !== path.dirname(folder)) continue
      // Somewhere above it is a file.
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
