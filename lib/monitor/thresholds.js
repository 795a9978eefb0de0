'use strict'

// What users write as thresholds, turned into rules for src/monitor, and readings turned into their columns.

const fs = require('node:fs')
const { addonExternal, liveReferences } = require('./addon-metrics.js')
const { heapLimitBase } = require('./heap-limit.js')
const { OffheapError } = require('../base/errors.js')
const { bytes, isPercentage, percentage } = require('../base/units.js')
const { LONGEST_MS } = require('../heap/snapshot-file/settings.js')
const { integer, invalidType, invalidValue, options: known, outOfRange, string } = require('../base/validate.js')

const processBase = {
  of: 'the cgroup limit, or the memory of the container or machine where there is none',
  read: ({ cgroupLimitBytes, containerTotalBytes, machineTotalBytes }) => cgroupLimitBytes ?? containerTotalBytes ?? machineTotalBytes
}

/** Every metric: how it is read, and what a percentage of it is taken of. The order is the order of the columns. */
const METRICS = {
  rss: { read: (memory) => memory.rss, base: processBase },
  heapUsed: { read: (memory) => memory.heapUsed, base: { of: 'the heap limit', read: (memory) => heapLimitBase(memory.heapLimit) } },
  external: { read: (memory) => memory.external, base: processBase },
  arrayBuffers: { read: (memory) => memory.arrayBuffers, base: processBase },
  trackedExternal: { read: (memory) => memory.trackedExternalBytes, base: processBase },
  // The working set leaves out file cache that the kernel drops before it kills: usage as such is near its limit in
  // any container that reads files.
  cgroup: {
    read: (memory) => memory.cgroupWorkingSetBytes ?? memory.cgroupUsageBytes,
    base: { of: 'the cgroup limit', read: (memory) => memory.cgroupLimitBytes }
  },
  // These two may name an addon, and each threshold of theirs has a column of its own.
  references: { read: liveReferences, base: { read: () => null }, ofAddon: true, counts: true },
  addonExternal: { read: addonExternal, base: processBase, ofAddon: true }
}
const NAMES = Object.keys(METRICS)
const COLUMNS = NAMES.filter((name) => !METRICS[name].ofAddon)

const FOR_SAMPLES = 2
const COOLDOWN_MS = 60_000

/**
 * @param {string} name
 * @param {unknown} value
 * @param {number} sampleIntervalMs
 * @returns {{ metric: string, addon?: string | null, kind: 'absolute' | 'percentage' | 'growth', threshold: unknown, rule: object }[]}
 */
function parseThresholds (name, value, sampleIntervalMs) {
  return Object.entries(known(name, value, NAMES)).flatMap(([metric, wanted]) => {
    const list = Array.isArray(wanted) ? wanted : [wanted]
    if (list.length === 0) throw invalidValue(`${name}.${metric}`, 'at least one threshold', wanted)
    return list.map((threshold, index) => {
      const path = Array.isArray(wanted) ? `${name}.${metric}[${index}]` : `${name}.${metric}`
      if (METRICS[metric].ofAddon) return { metric, ...parseAddonThreshold(path, threshold, sampleIntervalMs, METRICS[metric].counts) }
      return { metric, ...parseThreshold(path, threshold, sampleIntervalMs, COLUMNS.indexOf(metric)) }
    })
  })
}

function parseThreshold (name, threshold, sampleIntervalMs, column) {
  if (typeof threshold !== 'object' || threshold === null) {
    if (typeof threshold !== 'number' && typeof threshold !== 'string') {
      throw invalidType(name, 'a number of bytes, a string such as "512MB" or "80%", or an object', threshold)
    }
    return parseThreshold(name, { above: threshold }, sampleIntervalMs, column)
  }
  const options = known(name, threshold, ['above', 'growth', 'overMs', 'forSamples', 'rearmBelow', 'cooldownMs'])
  const { above, growth, overMs, forSamples = FOR_SAMPLES, rearmBelow, cooldownMs = COOLDOWN_MS } = options
  const common = {
    column,
    forSamples: integer(`${name}.forSamples`, forSamples, { min: 1, max: 1000 }),
    cooldownMs: integer(`${name}.cooldownMs`, cooldownMs, { max: LONGEST_MS })
  }
  if ((above === undefined) === (growth === undefined)) throw invalidValue(name, 'an object with either *above* or *growth*', threshold)
  if (growth === undefined) {
    if (overMs !== undefined) throw invalidValue(`${name}.overMs`, 'left out: it goes with *growth*', overMs)
    refuseShare(`${name}.above`, above)
    const kind = isPercentage(above) ? 'percentage' : 'absolute'
    const read = kind === 'percentage' ? percentage : bytes
    const limit = read(`${name}.above`, above)
    const rule = { ...common, [kind === 'percentage' ? 'percent' : 'bytes']: limit, rearmBelow: rearmLevel(name, rearmBelow, limit, read) }
    return { kind, threshold: above, rule }
  }
  integer(`${name}.overMs`, overMs, { min: 1, max: LONGEST_MS })
  // Over less than two samples there is no floor to measure from.
  if (overMs < 2 * sampleIntervalMs) throw outOfRange(`${name}.overMs`, `at least twice *sampleIntervalMs* (${sampleIntervalMs})`, overMs)
  const growthBytes = bytes(`${name}.growth`, growth)
  const rule = { ...common, growthBytes, overMs, rearmBelow: rearmLevel(name, rearmBelow, growthBytes, bytes) }
  return { kind: 'growth', threshold: { growth, overMs }, rule }
}

/** 0.8 and '80' are not bytes that anybody means. */
function refuseShare (name, above) {
  const percent = typeof above === 'number' && above > 0 && above < 1
    ? above * 100
    : typeof above === 'string' && /^\d+(\.\d+)?$/.test(above) ? Number(above) : undefined
  if (percent === undefined) return
  const meant = `${Number(percent.toPrecision(6))}${percent > 100 ? 'MB' : '%'}`
  throw invalidValue(name, `a number of bytes or a string such as "512MB"; did you mean "${meant}"?`, above)
}

/** The column is given by giveColumns(): it belongs to this threshold alone. */
function parseAddonThreshold (name, threshold, sampleIntervalMs, counts) {
  const { addon = null, ...rest } = typeof threshold === 'object' && threshold !== null ? threshold : { [counts ? 'live' : 'above']: threshold }
  if (addon !== null) string(`${name}.addon`, addon)
  const parsed = counts ? parseCount(name, rest, sampleIntervalMs) : parseThreshold(name, rest, sampleIntervalMs, undefined)
  return { ...parsed, addon, threshold }
}

/** `{ live }` or `{ growth, overMs }`, in whole things. */
function parseCount (name, threshold, sampleIntervalMs) {
  const options = known(name, threshold, ['live', 'growth', 'overMs', 'forSamples', 'rearmBelow', 'cooldownMs'])
  const { live, growth, ...common } = options
  if ((live === undefined) === (growth === undefined)) throw invalidValue(name, 'an object with either *live* or *growth*', threshold)
  if (growth === undefined) {
    integer(`${name}.live`, live, { min: 1 })
    if (common.rearmBelow !== undefined) integer(`${name}.rearmBelow`, common.rearmBelow)
    return parseThreshold(name, { ...common, above: live }, sampleIntervalMs, undefined)
  }
  integer(`${name}.growth`, growth, { min: 1 })
  return parseThreshold(name, { ...common, growth }, sampleIntervalMs, undefined)
}

/** Gives each threshold of an addon its column, behind those that all share. */
function giveColumns (thresholds) {
  let next = COLUMNS.length
  for (const { metric, rule } of thresholds) {
    if (METRICS[metric].ofAddon) rule.column = next++
  }
  return thresholds
}

function rearmLevel (name, value, limit, read) {
  if (value === undefined) return undefined
  const level = read(`${name}.rearmBelow`, value)
  if (level > limit) throw outOfRange(`${name}.rearmBelow`, 'at most the threshold itself', value)
  return level
}

/** What a threshold compares, in a reading. */
function valueOf ({ metric, addon }, reading) {
  return METRICS[metric].read(reading, addon)
}

/** A reading as columns; NaN where there is no figure. */
function columns (reading, thresholds) {
  const shared = COLUMNS.map((metric) => ({ metric }))
  const own = thresholds.filter(({ metric }) => METRICS[metric].ofAddon)
  const all = [...shared, ...own]
  return {
    values: all.map((each) => valueOf(each, reading) ?? NaN),
    bases: all.map(({ metric }) => METRICS[metric].base.read(reading) ?? NaN)
  }
}

/** Whether a threshold needs addons to be watched. */
function needsAddons (thresholds) {
  return thresholds.some(({ metric }) => METRICS[metric].ofAddon)
}

/** Refuses thresholds that could never fire, because what they compare is not measured here. */
function refuseUnmeasurable (thresholds, reading) {
  const unmeasurable = (metric, text) => {
    const passing = passingReason()
    if (passing === null) return new OffheapError('ERR_OFFHEAP_METRIC_UNAVAILABLE', text)
    return new OffheapError('ERR_OFFHEAP_READ_FAILED',
      `The threshold ${metric} could not be checked at this moment: ${passing.message}; where descriptors are short, RLIMIT_NOFILE is the limit`, passing)
  }
  for (const each of thresholds) {
    const { metric, kind, threshold } = each
    const { base } = METRICS[metric]
    // null >= 0 is true.
    if (!((valueOf(each, reading) ?? NaN) >= 0)) {
      const whose = typeof each.addon === 'string' ? ` of ${each.addon}` : ''
      throw unmeasurable(metric, `The threshold ${metric} cannot work: ${metric}${whose} cannot be measured here; leave it out`)
    }
    if (kind === 'percentage' && !((base.read(reading) ?? NaN) > 0)) {
      throw unmeasurable(metric, `The threshold ${metric}: ${JSON.stringify(threshold)} cannot work: ${base.of} cannot be measured here; give it in bytes or leave it out`)
    }
  }
}

/** What keeps the system's files from being read, and passes: no descriptor is left. `null`: nothing does. */
function passingReason () {
  try {
    fs.closeSync(fs.openSync('/proc/self/status'))
    return null
  } catch (error) {
    return error.code === 'EMFILE' || error.code === 'ENFILE' ? error : null
  }
}

module.exports = { METRICS, columns, giveColumns, needsAddons, parseThresholds, refuseUnmeasurable, valueOf }
