'use strict'

// Writes the report on a snapshot, as two small files beside it: JSON for tools, text for people. Where the probe works, the analysis runs in
// a child, so that it costs the service neither time nor memory. Otherwise it runs on libuv's thread pool.

const fs = require('node:fs')
const path = require('node:path')
const v8 = require('node:v8')
const { inTurn } = require('../../probe/in-turn.js')
const { run } = require('../../probe/run.js')
const { unsupportedReason } = require('../../probe/supported.js')
const { asThrown } = require('../../probe/thrown.js')
const { analyzeHeapSnapshot, analyzeHeapSnapshotSync } = require('../analysis.js')
const { plain } = require('../../base/format.js')
const { analysisText } = require('../text.js')
const { partialName, reportName } = require('./names.js')
const { createPrivate } = require('./private-file.js')

/** Memory of an analysis per byte of the snapshot's text: 382 MB were measured for 236 MB, Node's own 50 MB included. */
const BYTES_PER_BYTE = 1.7

/**
 * @param {string} snapshot a complete snapshot
 * @param {{ contentBytes: number, mode: string, timeoutMs: number, signal: AbortSignal }} settings `contentBytes`: of its text
 * @returns {Promise<{ file: string, textFile: string, pauseMs: number }>}
 */
async function writeReport (snapshot, { contentBytes, mode, timeoutMs, signal }) {
  const inChild = mode === 'probe' && unsupportedReason() === null
  const { analysis, pauseMs } = inChild
    ? await analyzeInProbe(snapshot, contentBytes, timeoutMs, signal)
    : { analysis: await analyzeHeapSnapshot(snapshot, { signal }), pauseMs: 0 }
  const json = reportName(snapshot, 'json')
  const text = reportName(snapshot, 'txt')
  await writePrivate(json, `${JSON.stringify(analysis, null, 2)}\n`)
  await writePrivate(text, analysisText(analysis, plain))
  return { file: json, textFile: text, pauseMs }
}

async function analyzeInProbe (snapshot, contentBytes, timeoutMs, signal) {
  const { thrown, value, pauseMs } = await inTurn(signal, timeoutMs, (timeLeftMs) => run({
    work: () => analyzeHeapSnapshotSync(snapshot),
    excludeMemory: true,
    expectedBytes: Math.ceil(contentBytes * BYTES_PER_BYTE),
    timeoutMs: timeLeftMs,
    signal
  }))
  if (thrown !== undefined) throw asThrown(thrown)
  return { analysis: v8.deserialize(value), pauseMs }
}

/** Writes a file that appears when it is complete, like the snapshot itself. Replaces an existing file. */
async function writePrivate (file, content) {
  const temporary = path.join(path.dirname(file), partialName(path.basename(file)))
  try {
    const handle = await createPrivate(temporary)
    try {
      await handle.writeFile(content)
    } finally {
      await handle.close()
    }
    await fs.promises.rename(temporary, file)
  } catch (error) {
    await fs.promises.unlink(temporary).catch(() => {})
    throw error
  }
}

module.exports = { writeReport }
