'use strict'

// One snapshot from beginning to end, for every writer: checks, temporary file, writer, checks, fsync, rename, report, retention.

const fs = require('node:fs')
const { performance } = require('node:perf_hooks')
const { prepareDestination } = require('./destination.js')
const { throwIfAborted } = require('../../base/abort.js')
const { snapshotFailure } = require('./failure.js')
const { retain } = require('./retention.js')
const { delayAbort } = require('./delay-abort.js')
const { openExisting } = require('./private-file.js')
const { writeReport } = require('./report.js')
const { verify } = require('./verify.js')

/**
 * Writes a snapshot: creates the file at `temporaryPath`, which does not exist yet, with mode 0600, and fills it. Checks the signal when it can.
 * Throws the errors of the file system unchanged. It does not clean up: when it fails, the caller removes the file at `temporaryPath`.
 * @callback Writer
 * @param {{ temporaryPath: string, gzip: boolean, trim: boolean, minFreeDiskBytes: number, signal: AbortSignal, onProgress: (progress: { phase: string }) => void }} job
 * @returns {Promise<{ mode: string, attempts: number, pauseMs: number, byteLength: number, contentBytes: number | null }>}
 *   `byteLength`: the bytes that it wrote to the file; `contentBytes`: the size before compression, null when it is not known
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

/** Writes the report. When it fails, the snapshot stays. */
async function reportOn (file, written, { report, timeoutMs }, signal, onProgress) {
  onProgress({ phase: 'report' })
  try {
    // gzip compresses to about a sixth. A larger factor makes the estimate safer.
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
    // Node 26 refuses fsync with --permission, whatever is granted. Any other error means that data was lost.
    if (error.code !== 'ERR_ACCESS_DENIED') throw error
  }
}

/** Removes the temporary file, if it was created. When this fails, the file was removed already. */
async function discard ({ temporaryPath, finished }) {
  await fs.promises.unlink(temporaryPath).catch(() => {})
  finished()
}

/** Syncs the directory, so that the new name survives a power cut. Some systems cannot sync a directory. */
async function syncDirectory (directory) {
  const handle = await fs.promises.open(directory, 'r').catch(() => undefined)
  if (handle === undefined) return
  await handle.sync().catch(() => {})
  await handle.close()
}

module.exports = { takeSnapshot }
