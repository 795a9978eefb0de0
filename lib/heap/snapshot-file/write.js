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

// One at a time in a thread: two would need twice the memory for twice the same. Other threads have their own.
let running
let lastBegunAt = -Infinity

/** Writes a heap snapshot; see types/heap-snapshots.d.ts. */
async function writeHeapSnapshot (options) {
  return requestSnapshot(snapshotSettings('options', options))
}

/**
 * Begins a snapshot with checked settings, or joins the one that runs when that has the same destination.
 * @param {object} settings
 * @param {{ write?: import('./take.js').Writer, onProgress?: (progress: { phase: string, byteLength: number | null }) => void }} [with_]
 */
async function requestSnapshot (settings, { write = writerFor(settings), onProgress = settings.onProgress } = {}) {
  throwIfAborted(settings.signal)
  // Nothing is made, not even the directory, where there is no addon to do the rest.
  binding.processToken()
  const destination = JSON.stringify([settings.directory, settings.file, settings.gzip, settings.mode, settings.report])
  if (running !== undefined) {
    if (running.destination !== destination || running.controller.signal.aborted) {
      throw new OffheapError('ERR_OFFHEAP_SNAPSHOT_IN_PROGRESS',
        `Another heap snapshot is being written (reason: ${JSON.stringify(running.reason)}), to another destination; wait for it`)
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
  run.result = takeSnapshot(settings, begin, run.controller.signal, (progress) => tell(run, progress))
    .finally(() => { running = undefined })
  return wait(run, settings.signal, listener)
}

/** Not the function itself: two callers may pass the same. */
function listen (run, onProgress) {
  if (onProgress === undefined) return undefined
  const listener = progressListener('writeHeapSnapshot', onProgress)
  run.listeners.add(listener)
  return listener
}

function tell (run, { phase, byteLength }) {
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
    `The last heap snapshot was begun less than *cooldownMs* (${cooldownMs}) ago; the next is possible in ${waitMs} ms`)
}

module.exports = { requestSnapshot, writeHeapSnapshot }
