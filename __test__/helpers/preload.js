'use strict'

// Libraries for LD_PRELOAD: those in __test__/fixtures/preloads, compiled once per version of the source into .cache/preloads, and
// the allocators that people preload.

const { createHash } = require('node:crypto')
const fs = require('node:fs')
const path = require('node:path')
const { compile } = require('./compile.js')

const root = path.join(__dirname, '..', '..')

/**
 * @param {string} name of the file in __test__/fixtures/preloads, without .c
 * @returns {{ file?: string, skip?: string }}
 */
function preload (name) {
  if (process.platform !== 'linux') return { skip: `LD_PRELOAD is Linux's; this is ${process.platform}` }
  const source = path.join(root, '__test__', 'fixtures', 'preloads', `${name}.c`)
  const hash = createHash('sha256').update(fs.readFileSync(source)).digest('hex').slice(0, 16)
  const directory = path.join(root, '.cache', 'preloads')
  const file = path.join(directory, `lib${name}-${process.arch}-${hash}.so`)
  return compile(source, file, ['-fno-builtin'])
}

const FOLDERS = ['/usr/lib/x86_64-linux-gnu', '/usr/lib64', '/usr/lib', '/usr/local/lib']

/**
 * An allocator that is installed on this machine.
 * @param {string} name such as `libjemalloc.so.2`
 * @param {string} debianPackage that brings it
 * @returns {{ file?: string, skip?: string }}
 */
function installedLibrary (name, debianPackage) {
  const file = FOLDERS.map((folder) => path.join(folder, name)).find((candidate) => fs.existsSync(candidate))
  return file === undefined ? { skip: `${name} is not installed (Debian: ${debianPackage}); CI has it` } : { file }
}

module.exports = { installedLibrary, preload }
