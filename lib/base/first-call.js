'use strict'

// Loads files at the first call of a function that is in them.

const fs = require('node:fs')
const path = require('node:path')

const { OffheapError, messageOf } = require('./errors.js')

const loaded = {}

// A deployment may replace the files while the service runs. Those of another version do not fit the addon and the files that are loaded.
const VERSION = versionOnDisk()

/**
 * What a file exports. It is kept: `require` takes a microsecond for a file that it has, and jest's refuses once its test is over.
 * @template T
 * @param {string} name the public function that was called
 * @param {() => T} load a function that requires the file
 * @returns {T}
 */
function atFirstCall (name, load) {
  const known = loaded[name]
  return known !== undefined ? known : (loaded[name] = read(name, load))
}

/** The version of the package that this file is in now; undefined when it cannot be read, or in a bundle. */
function versionOnDisk () {
  try {
    return JSON.parse(fs.readFileSync(path.join(__dirname, '..', '..', 'package.json'), 'utf8')).version
  } catch {
    // Then loading fails as well, and says why.
    return undefined
  }
}

/** The process may have no descriptor at this moment, no right to read the file, or a replaced `fs`. Nothing is left half done, and a later call tries again. */
function read (name, load) {
  let exported
  let cause
  try {
    const version = versionOnDisk()
    if (version !== undefined && VERSION !== undefined && version !== VERSION) throw new Error(`version ${version} of offheap has replaced version ${VERSION}, which this process runs. Restart it`)
    exported = load()
  } catch (error) {
    cause = error
  }
  if (exported !== undefined) return exported
  const reason = cause === undefined ? 'require() returned nothing' : messageOf(cause).split('\n')[0]
  throw new OffheapError('ERR_OFFHEAP_READ_FAILED', `The files of ${name}() could not be loaded at its first call: ${reason}`, cause)
}

module.exports = { atFirstCall }
