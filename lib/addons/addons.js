'use strict'

// addons() reads what the addons hold, and compares it with V8's own figures.

const binding = require('../base/load.js')
const { fromNative } = require('../base/errors.js')
const { addonName } = require('./name.js')
const { NUMBERS, figures, noFigures } = require('./figures.js')
const { collectedSince, mark } = require('./collected.js')
const { growth, isRow } = require('./growth.js')
const { sites } = require('./stacks.js')
const { sameFile, toPath } = require('./files.js')
const { refusedReason } = require('./supported.js')
const { checkSupport } = require('./watch.js')
const { engineFigures } = require('../base/engine-figures.js')
const { threadId } = require('../base/thread.js')
const { invalidType, options: checkOptions } = require('../base/validate.js')

// The bytes of V8's global handles for one reference whose object is not collected.
const REFERENCE_BYTES = 32

/**
 * @param {{ since?: import('../../index.js').AddonsReading }} [options]
 * @returns {import('../../index.js').AddonsReading}
 */
function addons (options) {
  const { since } = checkOptions('options', options, ['since'])
  checkSince(since)
  checkSupport()
  const { isOn, watchNumber, rows } = read()
  const checks = checksOf(isOn, rows)
  if (since !== undefined) {
    const collected = collectedSince(since.rows)
    // While nobody watched there were no figures, and all growth is from 0.
    const isSameWatch = since.watchNumber === null || since.watchNumber === watchNumber
    for (const row of rows) {
      row.growth = growth(row, since.rows, isSameWatch)
      // This thread does not know when another thread collects garbage.
      row.collectedSince = row.threadId === threadId ? collected : null
    }
  }
  mark(rows)
  return { watchNumber, rows, checks }
}

/** Only the rows, for samples and sums. */
function addonRows () {
  checkSupport()
  return read().rows
}

function checkSince (since) {
  const isNumber = since?.watchNumber === null || Number.isSafeInteger(since?.watchNumber)
  if (since === undefined || (isNumber && Array.isArray(since.rows) && since.rows.every(isRow))) return
  throw invalidType('options.since', 'what addons() returned', since)
}

// How many numbers an image has, and an environment before its figures; see src/bindings/addons.rs.
const IMAGE_NUMBERS = 5
const ENVIRONMENT_NUMBERS = 5

function read () {
  const reading = fromNative(() => binding.readAddons())
  const images = reading.images.map((path, index) => imageOf(reading, path, index))
  const rows = []
  for (const [index, url] of reading.files.entries()) {
    const at = index * (ENVIRONMENT_NUMBERS + NUMBERS)
    const [id, thread, osThreadId, seenAt, full] = reading.numbers.subarray(at, at + ENVIRONMENT_NUMBERS)
    const file = toPath(url)
    const image = images.find((image) => sameFile(image.path, file))
    if (image !== undefined) image.hasRow = true
    rows.push({
      id,
      file,
      name: addonName(file),
      threadId: osThreadId === reading.osThreadId ? threadId : Number.isNaN(thread) ? null : thread,
      osThreadId,
      loadedAt: full === 1 ? time(image?.loadedAt ?? seenAt) : null,
      api: 'node-api',
      ...coverageOf(full === 1, image),
      ...figures(reading.buffers, reading.numbers.subarray(at + ENVIRONMENT_NUMBERS, at + ENVIRONMENT_NUMBERS + NUMBERS)),
      // Only its own thread can read the stacks of an environment.
      ...(reading.everyNth > 0 ? { stacks: osThreadId === reading.osThreadId ? sites(id) : null } : {})
    })
  }
  const off = reading.on ? null : refusedReason() ?? 'addons are not watched; call watchAddons()'
  for (const image of images) {
    if (!image.hasRow) rows.push(idle(image, off, reading.buffers))
  }
  rows.sort((a, b) => a.file < b.file ? -1 : a.file > b.file ? 1 : (a.id ?? 0) - (b.id ?? 0))
  return { isOn: reading.on, watchNumber: reading.watch === 0 ? null : reading.watch, rows }
}

function imageOf ({ refusals, imageNumbers }, path, index) {
  const [v8, alsoV8, loadedAt, late, pointersMissing] = imageNumbers.subarray(index * IMAGE_NUMBERS, (index + 1) * IMAGE_NUMBERS)
  return {
    path,
    refused: refusals[index],
    v8: v8 === 1,
    alsoV8: alsoV8 === 1,
    loadedAt: Number.isNaN(loadedAt) ? undefined : loadedAt,
    late: late === 1,
    pointersMissing: pointersMissing === 1,
    hasRow: false
  }
}

const ALSO_V8 = 'it also uses V8\'s C++ API, and what it holds through that API is not counted'
const LATE = 'it was loaded before watching began'

function coverageOf (full, image) {
  if (!full) return { coverage: 'partial', coverageReason: LATE }
  if (image?.alsoV8) return { coverage: 'partial', coverageReason: ALSO_V8 }
  return { coverage: 'full', coverageReason: null }
}

/** The row of an addon that has not called Node-API since watching began, or that is not watched. */
function idle (image, off, buffers) {
  const row = { id: null, file: image.path, name: addonName(image.path), threadId: null, osThreadId: null, loadedAt: time(image.loadedAt), api: image.v8 ? 'v8' : 'node-api' }
  const none = (coverageReason) => ({ ...row, coverage: 'none', coverageReason, ...noFigures() })
  if (image.v8) return none('it uses V8\'s C++ API, whose calls do not go through Node-API')
  if (off !== null) return none(off)
  if (image.refused !== '') return none(image.refused)
  if (image.pointersMissing) return none('it looked up its Node-API functions before watching began, and offheap did not find where it keeps them')
  if (image.late) return { ...row, coverage: 'partial', coverageReason: LATE, ...figures(buffers) }
  if (image.alsoV8) return { ...row, coverage: 'partial', coverageReason: ALSO_V8, ...figures(buffers) }
  return { ...row, coverage: 'full', coverageReason: null, ...figures(buffers) }
}

function time (ms) {
  return ms !== undefined ? new Date(ms).toISOString() : null
}

/**
 * V8's own figures for this thread, which do not depend on the hooks.
 * @returns {import('../../index.js').AddonChecks}
 */
function checksOf (isOn, rows) {
  const { external, arrayBuffers, heap: { used_global_handles_size: globalHandlesBytes } } = engineFigures()
  const declaredExternalBytes = fromNative(() => binding.declaredExternalBytes())
  const own = rows.filter((row) => row.threadId === threadId && row.coverage !== 'none')
  const sum = (figure) => isOn ? own.reduce((total, row) => total + figure(row), 0) : null
  const liveReferencesBytes = sum(({ references }) => (references.liveCount - references.outlivedCount) * REFERENCE_BYTES)
  const adjustedBytes = sum((row) => row.adjustedExternalBytes)
  const addonExternalBytes = sum((row) => row.adjustedExternalBytes + row.externalBuffers.liveBytes + row.externalArrayBuffers.liveBytes + row.externalStrings.liveBytes)
  return {
    globalHandlesBytes,
    liveReferencesBytes,
    unattributedGlobalHandlesBytes: isOn ? globalHandlesBytes - liveReferencesBytes : null,
    declaredExternalBytes,
    addonExternalBytes,
    arrayBuffers,
    unattributedExternalBytes: isOn && arrayBuffers !== null ? declaredExternalBytes - addonExternalBytes - arrayBuffers : null,
    // Memory of objects (ArrayBuffers, external Buffers, strings) is in both counters. The difference is declared memory.
    unattributedDeclaredBytes: isOn ? declaredExternalBytes - external - adjustedBytes : null,
    warnings: rows.filter((row) => row.adjustedExternalBytes < 0).map((row) => ({
      code: 'external-memory-below-zero',
      addon: row.name,
      file: row.file,
      threadId: row.threadId,
      message: `Since watching began, ${row.name} has taken back ${-row.adjustedExternalBytes} bytes of external memory more than it declared${row.coverage === 'full' ? '' : ' (it may have declared them before)'}; V8 ends the process on Node 24 and 26 when its counter falls below zero`
    }))
  }
}

module.exports = { addonRows, addons, checkSince }
