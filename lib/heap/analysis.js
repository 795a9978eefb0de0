'use strict'

// Analysis, comparison and redaction of .heapsnapshot files, outside of the JavaScript thread.

const os = require('node:os')
const { abortedBy, onAbort, throwIfAborted } = require('../base/abort.js')
const { OffheapError, fromNative, rebuild } = require('../base/errors.js')
const { progressListener } = require('../base/progress.js')
const validate = require('../base/validate.js')
const binding = require('../base/load.js')

/** The phases of a run, by their number in the binding. */
const phases = ['read', 'dominators', 'distances', 'report']
const PROGRESS_INTERVAL_MS = 100

/** An analysis uses at most two threads. With one core, a second thread would only wait. */
function threadCount () {
  return os.availableParallelism() > 1 ? 2 : 1
}

function checkCommon (options) {
  if (options.signal !== undefined) validate.abortSignal('options.signal', options.signal)
  if (options.onProgress !== undefined) validate.func('options.onProgress', options.onProgress)
}

function reportOptions (options) {
  const { top = 20, paths = 1, filter } = options
  validate.integer('options.top', top, { min: 1, max: 1000 })
  validate.integer('options.paths', paths, { min: 0, max: 100 })
  if (filter !== undefined) validate.string('options.filter', filter, { maxLength: 1000 })
  return { top, paths, filter }
}

/** Runs a native job, reports its progress, cancels it when the signal aborts, and parses its answer. */
async function run (caller, { signal, onProgress }, start) {
  throwIfAborted(signal)
  const started = performance.now()
  const number = binding.heapSnapshotBegin()
  const cancel = () => binding.heapSnapshotCancel(number)
  const listener = onProgress === undefined ? undefined : progressListener(caller, onProgress)
  let ignoreAbort = () => {}
  // Polls the progress: a callback from the pool thread would need a thread-safe function, which would keep the process alive.
  const timer = listener === undefined
    ? undefined
    : setInterval(() => {
      const [phase, permille] = binding.heapSnapshotProgress(number)
      listener({ phase: phases[phase], fraction: permille / 1000 })
    }, PROGRESS_INTERVAL_MS)
  timer?.unref()
  try {
    ignoreAbort = onAbort(signal, cancel)
    const answer = await start(number).catch((error) => { throw rebuild(error) })
    if (answer.length === 2) {
      const [code, message] = answer
      if (code === 'ERR_OFFHEAP_ABORTED' && signal?.aborted) throw abortedBy(signal)
      throw code === 'ERR_OFFHEAP_INTERNAL' ? rebuild(new Error(message)) : new OffheapError(code, message)
    }
    return { ...JSON.parse(answer[0]), durationMs: performance.now() - started }
  } finally {
    clearInterval(timer)
    ignoreAbort()
    binding.heapSnapshotEnd(number)
  }
}

/** Standard input has the name `-`. */
function source (file) {
  return file === '-' ? undefined : file
}

async function analyzeHeapSnapshot (file, options) {
  validate.string('file', file)
  options = validate.options('options', options, ['top', 'paths', 'filter', 'id', 'signal', 'onProgress'])
  const { top, paths, filter } = reportOptions(options)
  if (options.id !== undefined) validate.integer('options.id', options.id, { min: 0, max: 2 ** 32 - 1 })
  checkCommon(options)

  const result = await run('analyzeHeapSnapshot', options, (number) =>
    binding.analyzeHeapSnapshot(number, threadCount(), source(file), top, paths, filter, options.id))
  return { file, ...result }
}

async function compareHeapSnapshots (before, after, options) {
  validate.string('before', before)
  validate.string('after', after)
  if (before === '-' && after === '-') throw validate.invalidValue('after', 'another file: standard input can be read once', after)
  options = validate.options('options', options, ['top', 'paths', 'filter', 'signal', 'onProgress'])
  const { top, paths, filter } = reportOptions(options)
  checkCommon(options)

  const result = await run('compareHeapSnapshots', options, (number) =>
    binding.compareHeapSnapshots(number, threadCount(), source(before), source(after), top, paths, filter))
  return {
    ...result,
    // Without paths nobody has looked.
    growthCount: paths === 0 ? null : result.growthCount,
    before: { file: before, ...result.before },
    after: { file: after, ...result.after }
  }
}

async function redactHeapSnapshot (file, out, options) {
  validate.string('file', file)
  validate.string('out', out)
  options = validate.options('options', options, ['salt', 'signal', 'onProgress'])
  const { salt } = options
  if (salt !== undefined) {
    validate.string('options.salt', salt)
    if (salt.length < 16) throw validate.outOfRange('options.salt', 'a string of at least 16 characters', salt)
  }
  checkCommon(options)

  // Without a salt the key is random and not kept.
  const { createHash, randomBytes } = require('node:crypto')
  const key = salt === undefined ? randomBytes(16) : createHash('sha256').update(salt).digest().subarray(0, 16)
  const result = await run('redactHeapSnapshot', options, (number) =>
    binding.redactHeapSnapshot(number, threadCount(), source(file), out, key))
  return { file: out, ...result }
}

/**
 * `analyzeHeapSnapshot`, synchronously and by default with one thread: a forked child must not start threads.
 * Internal; the probe uses it.
 */
function analyzeHeapSnapshotSync (file, { top = 20, paths = 1, filter, threads = 1 } = {}) {
  const started = performance.now()
  const text = fromNative(() => binding.analyzeHeapSnapshotSync(threads, file, top, paths, filter))
  return { file, ...JSON.parse(text), durationMs: performance.now() - started }
}

module.exports = { analyzeHeapSnapshot, analyzeHeapSnapshotSync, compareHeapSnapshots, redactHeapSnapshot }
