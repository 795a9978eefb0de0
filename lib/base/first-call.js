'use strict'

// Loads files at the first call of a function that is in them.

const { OffheapError, messageOf } = require('./errors.js')

const loaded = {}

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

/** The process may have no descriptor at this moment, no right to read the file, or a replaced `fs`. Nothing is left half done, and a later call tries again. */
function read (name, load) {
  let exported
  let cause
  try {
    exported = load()
  } catch (error) {
    cause = error
  }
  if (exported !== undefined) return exported
  const reason = cause === undefined ? 'require() returned nothing' : messageOf(cause).split('\n')[0]
  throw new OffheapError('ERR_OFFHEAP_READ_FAILED', `The files of ${name}() could not be loaded at its first call: ${reason}`, cause)
}

module.exports = { atFirstCall }
