'use strict'

// One file has several names: the URL that Node gives an environment, the path that the loader was given, links.

const fs = require('node:fs')
const { fileURLToPath } = require('node:url')

const paths = new Map()

/** The path in what Node calls an environment's file. */
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

// Files do not move while they are loaded; asking the file system costs ten times what comparing does.
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
