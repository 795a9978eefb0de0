'use strict'

// One snapshot from beginning to end, whoever writes it: checks, temporary file, writer, checks, fsync, rename, retention.

const fs = require('node:fs')
const { performance } = require('node:perf_hooks')
const { prepareDestination } = require('./destination.js')
const { throwIfAborted } = require('../../base/abort.js')
const { snapshotFailure } = require('./failure.js')
const { retain } = require('./folder.js')
const { delayAbort } = require('./delay-abort.js')
const { openExisting } = require('./private-file.js')
const { writeReport } = require('./report.js')
const { verify } = require('./verify.js')

/**
 * What writes a snapshot: it makes the file at `temporaryPath`, which is not there yet, with 0600, and fills it. It looks
 * at the signal when it can, and throws what the file system threw. It need not clean up: whatever is at `temporaryPath`
 * when it fails is removed.
 * @callback Writer
 * @param {{ temporaryPath: string, gzip: boolean, trim: boolean, minFreeDiskBytes: number, signal: AbortSignal, onProgress: (progress: { phase: string }) => void }} job
 * @returns {Promise<{ mode: string, attempts: number, pauseMs: number, byteLength: number, contentBytes: number | null }>}
 *   `byteLength`: what it wrote to the file; `contentBytes`: size before compression, where that is known
 */

/**
 * @param {object} settings checked, from settings.js
 * @param {Writer} write
 * @param {AbortSignal} signal
 * @param {(progress: { phase: string }) => void} onProgress called as each phase begins
 */
async function takeSnapshot (settings, write, signal, onProgress) {
  const startedAt = performance.now()
  const { gzip, minFreeDiskBytes, trim } = settings
  let destination
  let endDelay = () => {}
  try {
    throwIfAborted(signal)
    onProgress({ phase: 'prepare' })
    destination = await prepareDestination(settings)
    const { directory, file, temporaryPath } = destination
    endDelay = delayAbort(settings, destination)
    throwIfAborted(signal)
    const written = await write({ temporaryPath, gzip, trim, minFreeDiskBytes, signal, onProgress })
    throwIfAborted(signal)
    onProgress({ phase: 'finish' })
    await verifyAndSync(temporaryPath, { gzip, ...written })
    throwIfAborted(signal)
    await fs.promises.rename(temporaryPath, file)
    destination.finished()
    endDelay()
    await syncDirectory(directory)
    const report = settings.report === false ? NO_REPORT : await reportOn(file, written, settings, signal, onProgress)
    const removed = settings.file === undefined ? await retain(directory, file, settings).catch(() => []) : []
    return {
      file: report.instead ? report.file : file,
      byteLength: report.instead ? report.byteLength : written.byteLength,
      mode: written.mode,
      pauseMs: written.pauseMs + report.pauseMs,
      durationMs: performance.now() - startedAt,
      attempts: written.attempts,
      childPeakRssBytes: written.childPeakRssBytes ?? null,
      scratch: written.scratch ?? null,
      comparableIds: written.comparableIds ?? false,
      gzip,
      reason: settings.reason,
      reportFile: report.file,
      reportTextFile: report.textFile,
      reportError: report.error,
      removed
    }
  } catch (error) {
    if (destination !== undefined) await discard(destination)
    throw snapshotFailure(error, `Writing a heap snapshot to ${settings.file ?? settings.directory}`)
  } finally {
    endDelay()
  }
}

const NO_REPORT = { file: null, textFile: null, error: null, pauseMs: 0, instead: false }

/** The snapshot is there, whatever becomes of the report. */
async function reportOn (file, written, { report, timeoutMs }, signal, onProgress) {
  onProgress({ phase: 'report' })
  try {
    // What gzip saves is about six times; more is only a more careful estimate.
    const contentBytes = written.contentBytes ?? written.byteLength * 8
    const files = await writeReport(file, { contentBytes, mode: written.mode, timeoutMs, signal })
    const instead = report === 'only'
    if (instead) await fs.promises.unlink(file)
    return { ...NO_REPORT, ...files, instead, byteLength: instead ? (await fs.promises.stat(files.file)).size : undefined }
  } catch (error) {
    return { ...NO_REPORT, error: snapshotFailure(error, `Writing the report on ${file}`) }
  }
}

async function verifyAndSync (temporaryPath, expected) {
  const handle = await openExisting(temporaryPath)
  try {
    await verify(handle, expected)
    await sync(handle)
  } finally {
    await handle.close()
  }
}

async function sync (handle) {
  try {
    await handle.sync()
  } catch (error) {
    // Node 26 has no fsync with --permission, whatever is granted. Anything else means that data was lost.
    if (error.code !== 'ERR_ACCESS_DENIED') throw error
  }
}

/** Removes the temporary file, if it was made. What cannot be removed any more was removed by somebody else. */
async function discard ({ temporaryPath, finished }) {
  await fs.promises.unlink(temporaryPath).catch(() => {})
  finished()
}

/** Makes the new name survive a power cut, where directories can be synced. */
async function syncDirectory (directory) {
  const handle = await fs.promises.open(directory, 'r').catch(() => undefined)
  if (handle === undefined) return
  await handle.sync().catch(() => {})
  await handle.close()
}

module.exports = { takeSnapshot }
