'use strict'

const path = require('node:path')
const { bytes } = require('../../base/units.js')
const { abortSignal, boolean, func, integer, invalidValue, oneOf, options: known, string } = require('../../base/validate.js')
const { LONGEST_MS, TIMEOUT_MS } = require('../../base/times.js')
const { snapshotFailure } = require('./failure.js')

const MODES = ['auto', 'probe', 'in-process']
const SCRATCHES = ['auto', 'memory', 'disk']
const WHERE_AND_HOW = ['directory', 'gzip', 'maxFiles', 'maxTotalBytes', 'cooldownMs', 'minFreeDiskBytes', 'mode', 'fallback', 'scratch', 'timeoutMs', 'delayAbortMs', 'trim', 'report']
const SINGLE = [...WHERE_AND_HOW, 'file', 'reason', 'signal', 'onProgress']

// A folder for snapshots only, because retention deletes files in it. It is in the working directory, where Node writes its own diagnostics.
// Static file servers leave out names that begin with a dot. /tmp may be a tmpfs, which is memory.
const DIRECTORY = '.offheap'
const MIN_FREE_DISK_BYTES = 256e6

/** The options of one snapshot, checked, with defaults and absolute paths. */
function snapshotSettings (name, value) {
  const options = known(name, value, SINGLE)
  const { file, reason = 'manual', signal, onProgress } = options
  if (file !== undefined) {
    checkPath(`${name}.file`, file)
    if (file.endsWith('/') || file.endsWith(path.sep)) throw invalidValue(`${name}.file`, 'the path of a file', file)
    for (const other of ['directory', 'maxFiles', 'maxTotalBytes']) {
      if (options[other] !== undefined) throw invalidValue(`${name}.${other}`, 'left out when *file* is given', options[other])
    }
  }
  string(`${name}.reason`, reason, { maxLength: 200 })
  if (signal !== undefined) abortSignal(`${name}.signal`, signal)
  if (onProgress !== undefined) func(`${name}.onProgress`, onProgress)
  const settings = { ...whereAndHow(name, options), file, reason, signal, onProgress }
  return file === undefined ? settings : { ...settings, file: absolute(file), directory: undefined }
}

/** The options that `writeHeapSnapshot()` and a Monitor have in common, checked, with defaults. */
function whereAndHow (name, options, defaults = {}) {
  const { directory = DIRECTORY, gzip = false, maxFiles = defaults.maxFiles, mode = 'auto', trim = true, report = false } = options
  const { fallback = false, scratch = 'auto', timeoutMs = TIMEOUT_MS } = options
  // null: the caller that passed this default decides for each snapshot.
  const { delayAbortMs = defaults.delayAbortMs === undefined ? 0 : defaults.delayAbortMs } = options
  const { cooldownMs = defaults.cooldownMs ?? 0, minFreeDiskBytes = MIN_FREE_DISK_BYTES, maxTotalBytes = defaults.maxTotalBytes } = options
  checkPath(`${name}.directory`, directory)
  boolean(`${name}.gzip`, gzip)
  boolean(`${name}.trim`, trim)
  oneOf(`${name}.report`, report, [true, false, 'only'])
  oneOf(`${name}.mode`, mode, MODES)
  boolean(`${name}.fallback`, fallback)
  oneOf(`${name}.scratch`, scratch, SCRATCHES)
  integer(`${name}.timeoutMs`, timeoutMs, { min: 1, max: LONGEST_MS })
  if (delayAbortMs !== null || options.delayAbortMs === null) integer(`${name}.delayAbortMs`, delayAbortMs, { max: LONGEST_MS })
  if (maxFiles !== undefined) integer(`${name}.maxFiles`, maxFiles, { min: 1 })
  integer(`${name}.cooldownMs`, cooldownMs, { max: LONGEST_MS })
  return {
    directory: absolute(directory),
    gzip,
    maxFiles,
    maxTotalBytes: maxTotalBytes === undefined ? undefined : bytes(`${name}.maxTotalBytes`, maxTotalBytes),
    cooldownMs,
    minFreeDiskBytes: bytes(`${name}.minFreeDiskBytes`, minFreeDiskBytes, { min: 0 }),
    mode,
    fallback,
    scratch,
    timeoutMs,
    delayAbortMs,
    trim,
    report
  }
}

function checkPath (name, value) {
  string(name, value)
  if (value.includes('\0')) throw invalidValue(name, 'a path without null bytes', value)
}

function absolute (file) {
  try {
    return path.resolve(file)
  } catch (error) {
    // It throws when the working directory was deleted.
    throw snapshotFailure(error, `Finding ${file}`)
  }
}

module.exports = { WHERE_AND_HOW, snapshotSettings, whereAndHow }
