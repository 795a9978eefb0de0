'use strict'

const { performance } = require('node:perf_hooks')
const binding = require('../../base/load.js')
const { OffheapError } = require('../../base/errors.js')
const { joined } = require('../../base/joining.js')
const { progressListener } = require('../../base/progress.js')
const { throwIfAborted } = require('../../base/abort.js')
const { snapshotSettings } = require('./settings.js')
const { takeSnapshot } = require('./take.js')
const { writerFor } = require('./writer.js')

// One snapshot at a time in a thread: two of the same heap would need twice the memory. Other threads have heaps of their own.
let running
let lastBegunAt = -Infinity

/** Writes a heap snapshot; see types/heap-snapshots.d.ts. */
async function writeHeapSnapshot (options) {
  return requestSnapshot(snapshotSettings('options', options))
}

/**
 * Begins a snapshot with checked settings, or joins the running one when it has the same destination.
 * @param {object} settings
 * @param {{ write?: import('./take.js').Writer, onProgress?: (progress: { phase: string, byteLength: number | null }) => void }} [with_]
 */
async function requestSnapshot (settings, { write = writerFor(settings), onProgress = settings.onProgress } = {}) {
  throwIfAborted(settings.signal)
  // Throws when there is no addon for this platform, before the directory is created.
  binding.processToken()
  const destination = JSON.stringify([settings.directory, settings.file, settings.gzip, settings.mode, settings.report])
  if (running !== undefined) {
    if (running.destination !== destination || running.controller.signal.aborted) {
      throw new OffheapError('ERR_OFFHEAP_SNAPSHOT_IN_PROGRESS',
        `This thread is writing another heap snapshot (reason: ${JSON.stringify(running.reason)}), to another destination; wait for it`)
    }
    return wait(running, settings.signal, listen(running, onProgress))
  }
  checkCooldown(settings.cooldownMs)

  const run = { destination, reason: settings.reason, controller: new AbortController(), waiting: 0, listeners: new Set() }
  const begin = (job) => {
    lastBegunAt = performance.now()
    return write(job)
  }
  running = run
  const listener = listen(run, onProgress)
  run.result = takeSnapshot(settings, begin, run.controller.signal, (progress) => report(run, progress))
    .finally(() => { running = undefined })
  return wait(run, settings.signal, listener)
}

/** Adds a new listener for each caller, because two callers may pass the same function. */
function listen (run, onProgress) {
  if (onProgress === undefined) return undefined
  const listener = progressListener('writeHeapSnapshot', onProgress)
  run.listeners.add(listener)
  return listener
}

function report (run, { phase, byteLength }) {
  for (const listener of run.listeners) listener({ phase, byteLength: byteLength ?? null })
}

async function wait (run, signal, listener) {
  try {
    return { ...await joined(run, signal) }
  } finally {
    run.listeners.delete(listener)
  }
}

function checkCooldown (cooldownMs) {
  const waitMs = Math.ceil(lastBegunAt + cooldownMs - performance.now())
  if (waitMs <= 0) return
  throw new OffheapError('ERR_OFFHEAP_SNAPSHOT_COOLDOWN',
    `The last heap snapshot began less than *cooldownMs* (${cooldownMs} ms) ago; try again in ${waitMs} ms, or pass a shorter *cooldownMs*`)
}

module.exports = { requestSnapshot, writeHeapSnapshot }
