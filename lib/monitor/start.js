'use strict'

const { addonSummary } = require('../addons/summary.js')
const { watchAddons } = require('../addons/watch.js')
const { trackingSettings } = require('../buffers/track-buffers.js')
const { giveIds } = require('../heap/snapshot-file/ids.js')
const { whyNotWritable } = require('../heap/snapshot-file/directory.js')
const { WHERE_AND_HOW, whereAndHow } = require('../heap/snapshot-file/settings.js')
const { LONGEST_MS } = require('../base/times.js')
const { warn } = require('../base/warn.js')
const { memory } = require('../memory/memory.js')
const { boolean, integer, invalidType, invalidValue, options: known } = require('../base/validate.js')
const { Monitor } = require('./monitor.js')
const { checkSignal } = require('./signals.js')
const { needsAddons, parseThresholds, refusePartialPool, refuseUnmeasurable } = require('./thresholds.js')

// Limits for a service that runs unattended: a snapshot in this process stops its thread for seconds.
// `delayAbortMs` is null, because it depends on the threshold; see lib/monitor/monitor.js.
const DEFAULTS = { cooldownMs: 30 * 60_000, maxFiles: 5, maxTotalBytes: 4e9, delayAbortMs: null }
const MAX_PER_DAY = 6
/** The functions that use the pool. */
const POOLED = ['from', 'allocUnsafe', 'concat', 'copyBytesFrom']
const SAMPLE_INTERVAL_MS = 5000

/** Starts a Monitor; see types/monitor.d.ts. */
function start (options) {
  const given = known('options', options, ['sampleIntervalMs', 'thresholds', 'snapshot', 'historyLength', 'baseline', 'trackBuffers'])
  const { sampleIntervalMs = SAMPLE_INTERVAL_MS, thresholds, snapshot = false, historyLength = 720, baseline = false, trackBuffers = false } = given

  integer('options.sampleIntervalMs', sampleIntervalMs, { min: 10, max: LONGEST_MS })
  integer('options.historyLength', historyLength, { min: 1, max: 100_000 })
  boolean('options.baseline', baseline)
  const buffers = buffersOptions(trackBuffers)
  const { processSignal, ...settings } = snapshotOptions(snapshot)
  const parsed = parseThresholds('options.thresholds', thresholds, { sampleIntervalMs, action: snapshot === false ? 'event' : 'snapshot' })
  if (given.snapshot === false && parsed.some(({ action }) => action === 'snapshot')) {
    throw invalidValue('options.snapshot', 'left out, true or an object when a threshold has the action "snapshot"', snapshot)
  }
  const watch = needsAddons(parsed) ? watchAddons() : undefined
  try {
    refuseUnmeasurable(parsed, { ...memory(), addons: addonSummary() })
    refusePartialPool(parsed, () => coversPool(buffers))
    if (baseline) giveIds()
    if (processSignal !== undefined || parsed.some(({ action }) => action === 'snapshot')) warnUnlessWritable(settings.directory)
    return new Monitor({ sampleIntervalMs, thresholds: parsed, snapshot: settings, processSignal, historyLength, watch, buffers })
  } catch (error) {
    watch?.stop()
    throw error
  }
}

/** Whether every slab of the pool is seen: by what this Monitor tracks, or what somebody tracks already. */
function coversPool (buffers) {
  return POOLED.every((name) => buffers?.functions.includes(name)) || memory().bufferPool?.coverage === 'full'
}

/** Warns when the service starts. The directory can then be made writable before the first snapshot is needed. */
function warnUnlessWritable (directory) {
  const reason = whyNotWritable(directory)
  if (reason === undefined) return
  warn(`offheap: no heap snapshot can be written to ${directory}: ${reason}; make it writable for the user of the service, or pass another *directory*`,
    { code: 'ERR_OFFHEAP_SNAPSHOT_WRITE_FAILED' })
}

/** Checks one threshold, and that its metric can be measured here. Throws the errors of `start()`, with this name of the argument. */
function checkThreshold (name, metric, value) {
  const parsed = parseThresholds(name, Object.fromEntries([[metric, value]]), { sampleIntervalMs: SAMPLE_INTERVAL_MS, action: 'event' })
  // As in `start()`: what addons hold can be measured only while they are watched.
  const watch = needsAddons(parsed) ? watchAddons() : undefined
  try {
    refuseUnmeasurable(parsed, { ...memory(), addons: addonSummary() })
    refusePartialPool(parsed, () => coversPool(undefined))
  } finally {
    watch?.stop()
  }
}

function buffersOptions (value) {
  if (typeof value === 'boolean') return value ? trackingSettings('options.trackBuffers', undefined) : undefined
  if (typeof value !== 'object' || value === null) throw invalidType('options.trackBuffers', 'an object or a boolean', value)
  return trackingSettings('options.trackBuffers', value)
}

function snapshotOptions (value) {
  if (typeof value !== 'object' && typeof value !== 'boolean') {
    throw invalidType('options.snapshot', 'an object or a boolean', value)
  }
  const options = known('options.snapshot', typeof value === 'boolean' ? undefined : value, [...WHERE_AND_HOW, 'maxPerDay', 'processSignal'])
  const { maxPerDay = MAX_PER_DAY, processSignal } = options
  integer('options.snapshot.maxPerDay', maxPerDay, { min: 1, max: 100_000 })
  if (processSignal !== undefined) checkSignal('options.snapshot.processSignal', processSignal)
  return { ...whereAndHow('options.snapshot', options, DEFAULTS), maxPerDay, processSignal }
}

module.exports = { checkThreshold, start }
