'use strict'

// Compares names of files. One file has several names: the URL that Node gives to an environment, the path that the loader gets, links.

const fs = require('node:fs')
const { fileURLToPath } = require('node:url')

const paths = new Map()

/** The path of an environment's file. Node names the file by a URL. */
function toPath (url) {
  if (!url.startsWith('file:')) return url
  let path = paths.get(url)
  if (path === undefined) paths.set(url, path = pathIn(url))
  return path
}

function pathIn (url) {
  try {
    return fileURLToPath(url)
  } catch {
    return url
  }
}

// Real paths are cached: a loaded file does not move, and a call of the file system costs ten times a comparison.
const realPaths = new Map()

function realPath (file) {
  let real = realPaths.get(file)
  if (real === undefined) {
    try {
      real = fs.realpathSync(file)
    } catch {
      real = file
    }
    realPaths.set(file, real)
  }
  return real
}

function sameFile (a, b) {
  return a === b || realPath(a) === realPath(b)
}

module.exports = { sameFile, toPath }
