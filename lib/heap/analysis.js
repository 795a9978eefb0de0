'use strict'

// Heap snapshots: analysis, comparison and redaction of .heapsnapshot files, off the JavaScript thread.

const os = require('node:os')
const { OffheapError, fromNative, rebuild } = require('../base/errors.js')
const validate = require('../base/validate.js')
const binding = require('../base/load.js')

/** The phases of a run, by the number that the binding gives. */
const phases = ['read', 'dominators', 'distances', 'report']
const PROGRESS_INTERVAL_MS = 100

/** More than two threads are not used; with one core a second would only wait. */
function threadCount () {
  return os.availableParallelism() > 1 ? 2 : 1
}

function aborted (signal) {
  return new OffheapError('ERR_OFFHEAP_ABORTED', 'The operation was aborted', signal.reason)
}

function checkCommon (options) {
  if (options.signal !== undefined) validate.abortSignal('options.signal', options.signal)
  if (options.onProgress !== undefined) validate.func('options.onProgress', options.onProgress)
}

function reportOptions (options) {
  const { top = 20, retainers = 1, filter } = options
  validate.integer('options.top', top, { min: 1, max: 1000 })
  validate.integer('options.retainers', retainers, { min: 0, max: 100 })
  if (filter !== undefined) validate.string('options.filter', filter, { maxLength: 1000 })
  return { top, retainers, filter }
}

/** Runs a native job that can be watched and cancelled, and parses its answer. */
async function run ({ signal, onProgress }, start) {
  if (signal?.aborted) throw aborted(signal)
  const started = performance.now()
  const number = binding.heapSnapshotBegin()
  const cancel = () => binding.heapSnapshotCancel(number)
  let thrown
  // Polled: a callback from the pool thread would need a thread-safe function, which keeps things alive.
  const timer = onProgress === undefined
    ? undefined
    : setInterval(() => {
      const [phase, permille] = binding.heapSnapshotProgress(number)
      try {
        onProgress({ phase: phases[phase], fraction: permille / 1000 })
      } catch (error) {
        clearInterval(timer)
        thrown = { error }
        cancel()
      }
    }, PROGRESS_INTERVAL_MS)
  timer?.unref()
  try {
    signal?.addEventListener('abort', cancel, { once: true })
    const answer = await start(number).catch((error) => { throw rebuild(error) })
    if (thrown !== undefined) throw thrown.error
    if (answer.length === 2) {
      const [code, message] = answer
      if (code === 'ERR_OFFHEAP_ABORTED' && signal?.aborted) throw aborted(signal)
      throw code === 'ERR_OFFHEAP_INTERNAL' ? rebuild(new Error(message)) : new OffheapError(code, message)
    }
    return { ...JSON.parse(answer[0]), durationMs: performance.now() - started }
  } finally {
    clearInterval(timer)
    signal?.removeEventListener('abort', cancel)
    binding.heapSnapshotEnd(number)
  }
}

/** Standard input has the name `-`. */
function source (path) {
  return path === '-' ? undefined : path
}

async function analyzeHeapSnapshot (path, options) {
  // Validate arguments
  validate.string('path', path)
  options = validate.options('options', options, ['top', 'retainers', 'filter', 'id', 'signal', 'onProgress'])
  const { top, retainers, filter } = reportOptions(options)
  if (options.id !== undefined) validate.integer('options.id', options.id, { min: 0, max: 2 ** 32 - 1 })
  checkCommon(options)

  const result = await run(options, (number) =>
    binding.analyzeHeapSnapshot(number, threadCount(), source(path), top, retainers, filter, options.id))
  return { path, ...result }
}

async function compareHeapSnapshots (before, after, options) {
  // Validate arguments
  validate.string('before', before)
  validate.string('after', after)
  if (before === '-' && after === '-') throw validate.invalidValue('after', 'another file: standard input can be read once', after)
  options = validate.options('options', options, ['top', 'retainers', 'filter', 'signal', 'onProgress'])
  const { top, retainers, filter } = reportOptions(options)
  checkCommon(options)

  const result = await run(options, (number) =>
    binding.compareHeapSnapshots(number, threadCount(), source(before), source(after), top, retainers, filter))
  return {
    ...result,
    before: { path: before, ...result.before },
    after: { path: after, ...result.after }
  }
}

async function redactHeapSnapshot (path, out, options) {
  // Validate arguments
  validate.string('path', path)
  validate.string('out', out)
  options = validate.options('options', options, ['salt', 'signal', 'onProgress'])
  const { salt } = options
  if (salt !== undefined) {
    validate.string('options.salt', salt)
    if (salt.length < 16) throw validate.outOfRange('options.salt', 'a string of at least 16 characters', salt)
  }
  checkCommon(options)

  // Without a salt the key is random and forgotten.
  const { createHash, randomBytes } = require('node:crypto')
  const key = salt === undefined ? randomBytes(16) : createHash('sha256').update(salt).digest().subarray(0, 16)
  const result = await run(options, (number) =>
    binding.redactHeapSnapshot(number, threadCount(), source(path), out, key))
  return { path: out, ...result }
}

/**
 * The synchronous twin of `analyzeHeapSnapshot`, without threads unless asked: a forked child must not start any.
 * Internal; the probe uses it.
 */
function analyzeHeapSnapshotSync (path, { top = 20, retainers = 1, filter, threads = 1 } = {}) {
  const started = performance.now()
  const text = fromNative(() => binding.analyzeHeapSnapshotSync(threads, path, top, retainers, filter))
  return { path, ...JSON.parse(text), durationMs: performance.now() - started }
}

module.exports = { analyzeHeapSnapshot, analyzeHeapSnapshotSync, compareHeapSnapshots, redactHeapSnapshot }
