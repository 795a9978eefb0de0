'use strict'

// Turns the thresholds that users write into rules for src/monitor, and a sample into the values that each threshold compares.

const fs = require('node:fs')
const { METRICS, OF_MALLOC, WITHOUT_MALLOC } = require('./metrics.js')
const binding = require('../base/load.js')
const { OffheapError, fromNative } = require('../base/errors.js')
const { bytes, isPercentage, percentage } = require('../base/units.js')
const { LONGEST_MS } = require('../base/times.js')
const { integer, invalidType, invalidValue, oneOf, options: known, outOfRange, string } = require('../base/validate.js')

const NAMES = Object.keys(METRICS)

const ACTIONS = ['event', 'snapshot']
const FOR_SAMPLES = 2
const COOLDOWN_MS = 60_000

/**
 * @param {string} name
 * @param {unknown} value
 * @param {{ sampleIntervalMs: number, action: 'event' | 'snapshot' }} defaults `action`: for thresholds that name none
 * @returns {{ metric: string, addon?: string | null, kind: 'absolute' | 'percentage' | 'growth', action: string, threshold: unknown, rule: object }[]}
 */
function parseThresholds (name, value, defaults) {
  const parsed = Object.entries(known(name, value, NAMES)).flatMap(([metric, wanted]) => {
    const list = Array.isArray(wanted) ? wanted : [wanted]
    if (list.length === 0) throw invalidValue(`${name}.${metric}`, 'at least one threshold', wanted)
    return list.map((threshold, index) => {
      const path = Array.isArray(wanted) ? `${name}.${metric}[${index}]` : `${name}.${metric}`
      const { ofAddon, counts } = METRICS[metric]
      return { metric, ...(ofAddon ? parseAddonThreshold(path, threshold, defaults, counts) : parseThreshold(path, threshold, defaults)) }
    })
  })
  const [divided, undivided] = [OF_MALLOC, WITHOUT_MALLOC].map((names) => parsed.find(({ metric }) => names.includes(metric)))
  if (divided !== undefined && undivided !== undefined) {
    throw invalidValue(`${name}.${undivided.metric}`, `left out, because ${divided.metric} has a threshold too: malloc's memory is then divided, and this figure is null`, undivided.threshold)
  }
  // Each threshold has its own column; see columns().
  parsed.forEach(({ metric, rule }, index) => {
    rule.column = index
    rule.rare = METRICS[metric].ofBreakdown === true
  })
  return parsed
}

/** `aboveName`: what the limit is called in messages. */
function parseThreshold (name, threshold, defaults, aboveName = `${name}.above`) {
  if (typeof threshold !== 'object' || threshold === null) {
    if (typeof threshold !== 'number' && typeof threshold !== 'string') {
      throw invalidType(name, 'a number of bytes, a string such as "512MB" or "80%", or an object', threshold)
    }
    return parseThreshold(name, { above: threshold }, defaults, name)
  }
  const options = known(name, threshold, ['above', 'growth', 'overMs', 'forSamples', 'rearmBelow', 'cooldownMs', 'action'])
  const { above, growth, overMs, forSamples = FOR_SAMPLES, rearmBelow, cooldownMs = COOLDOWN_MS, action = defaults.action } = options
  oneOf(`${name}.action`, action, ACTIONS)
  const common = {
    forSamples: integer(`${name}.forSamples`, forSamples, { min: 1, max: 1000 }),
    cooldownMs: integer(`${name}.cooldownMs`, cooldownMs, { max: LONGEST_MS })
  }
  if ((above === undefined) === (growth === undefined)) throw invalidValue(name, 'an object with either *above* or *growth*', threshold)
  if (growth === undefined) {
    if (overMs !== undefined) throw invalidValue(`${name}.overMs`, 'left out, because it needs *growth*', overMs)
    refuseShare(aboveName, above)
    const kind = isPercentage(above) ? 'percentage' : 'absolute'
    const read = kind === 'percentage' ? percentage : bytes
    const limit = read(aboveName, above)
    const rule = { ...common, [kind === 'percentage' ? 'percent' : 'bytes']: limit, rearmBelow: rearmLevel(name, rearmBelow, limit, read) }
    return { kind, action, threshold: above, rule }
  }
  integer(`${name}.overMs`, overMs, { min: 1, max: LONGEST_MS })
  // With fewer than two samples there is no floor.
  if (overMs < 2 * defaults.sampleIntervalMs) throw outOfRange(`${name}.overMs`, `at least twice *sampleIntervalMs* (${defaults.sampleIntervalMs})`, overMs)
  const growthBytes = bytes(`${name}.growth`, growth)
  const rule = { ...common, growthBytes, overMs, rearmBelow: rearmLevel(name, rearmBelow, growthBytes, bytes) }
  return { kind: 'growth', action, threshold: { growth, overMs }, rule }
}

/** Refuses 0.8 and '80': the caller did not mean bytes. */
function refuseShare (name, above) {
  const percent = typeof above === 'number' && above > 0 && above < 1
    ? above * 100
    : typeof above === 'string' && /^\d+(\.\d+)?$/.test(above) ? Number(above) : undefined
  if (percent === undefined) return
  const meant = `${Number(percent.toPrecision(6))}${percent > 100 ? 'MB' : '%'}`
  throw invalidValue(name, `a number of bytes or a string such as "512MB"; did you mean "${meant}"?`, above)
}

function parseAddonThreshold (name, threshold, defaults, counts) {
  const { addon = null, ...rest } = typeof threshold === 'object' && threshold !== null ? threshold : { above: threshold }
  if (addon !== null) string(`${name}.addon`, addon)
  if (counts) checkCounts(name, rest)
  return { ...parseThreshold(name, rest, defaults), addon, threshold }
}

/** Checks limits of references. They are whole numbers, and a percentage of them has no base. */
function checkCounts (name, { above, growth, rearmBelow }) {
  if (above !== undefined) integer(`${name}.above`, above, { min: 1 })
  if (growth !== undefined) integer(`${name}.growth`, growth, { min: 1 })
  if (rearmBelow !== undefined) integer(`${name}.rearmBelow`, rearmBelow)
}

function rearmLevel (name, value, limit, read) {
  if (value === undefined) return undefined
  const level = read(`${name}.rearmBelow`, value)
  if (level > limit) throw outOfRange(`${name}.rearmBelow`, 'at most the threshold itself', value)
  return level
}

/** The value of a sample that a threshold compares. */
function valueOf ({ metric, addon }, sample) {
  return METRICS[metric].read(sample, addon)
}

/** For each threshold, the value that it compares and the base of its percentage; NaN where there is no figure. */
function columns (sample, thresholds) {
  return {
    values: thresholds.map((threshold) => valueOf(threshold, sample) ?? NaN),
    bases: thresholds.map(({ metric }) => METRICS[metric].base.read(sample) ?? NaN)
  }
}

/** Whether one of the thresholds needs `watchAddons()`. */
function needsAddons (thresholds) {
  return thresholds.some(({ metric }) => METRICS[metric].ofAddon)
}

/** The option `malloc` of residentBreakdown() that the thresholds need; `undefined` when no threshold needs a breakdown. */
function needsBreakdown (thresholds) {
  const wanted = thresholds.filter(({ metric }) => METRICS[metric].ofBreakdown)
  return wanted.length === 0 ? undefined : wanted.some(({ metric }) => OF_MALLOC.includes(metric))
}

/** Refuses thresholds on the pool where most of its slabs are not seen: they would stay silent. */
function refusePartialPool (thresholds, isCovered) {
  const threshold = thresholds.find(({ metric }) => METRICS[metric].ofPool)
  if (threshold === undefined || isCovered()) return
  throw new OffheapError('ERR_OFFHEAP_METRIC_UNAVAILABLE',
    `The threshold ${threshold.metric} cannot work: without trackBuffers() only those slabs are seen that are in use at a sample; pass *trackBuffers*: true, or leave it out`)
}

/** Refuses thresholds that could never fire, because their metric cannot be measured here. */
function refuseUnmeasurable (thresholds, sample) {
  const unmeasurable = (metric, text) => {
    const temporary = temporaryReason()
    if (temporary === null) return new OffheapError('ERR_OFFHEAP_METRIC_UNAVAILABLE', text)
    return new OffheapError('ERR_OFFHEAP_READ_FAILED',
      `The threshold ${metric} could not be checked at this moment: ${temporary.message}; close file descriptors, or raise their limit (RLIMIT_NOFILE)`, temporary)
  }
  for (const each of thresholds) {
    const { metric, kind, threshold } = each
    const { base, mayBeMissing, ofBreakdown } = METRICS[metric]
    if (ofBreakdown) {
      const reason = breakdownReason()
      if (reason !== null) throw unmeasurable(metric, `The threshold ${metric} cannot work: ${metric} cannot be measured here (${reason}); leave it out`)
    // null >= 0 is true.
    } else if (!mayBeMissing && !((valueOf(each, sample) ?? NaN) >= 0)) {
      const whose = typeof each.addon === 'string' ? ` of ${each.addon}` : ''
      throw unmeasurable(metric, `The threshold ${metric} cannot work: ${metric}${whose} cannot be measured here; leave it out`)
    }
    if (kind === 'percentage' && !((base.read(sample) ?? NaN) > 0)) {
      throw unmeasurable(metric, `The threshold ${metric}: ${JSON.stringify(threshold)} cannot work: ${base.of} cannot be measured here; give it in bytes or leave it out`)
    }
  }
}

/** Why residentBreakdown() is not available here, or null. Only the first breakdown shows which figures it has. */
function breakdownReason () {
  return fromNative(() => binding.residentSupport()).breakdown ?? null
}

/** Errors for thresholds whose figure is null in the first breakdown. Such a threshold does nothing. */
function missingIn (thresholds, residentBreakdown) {
  const missing = thresholds.filter(({ metric }) => METRICS[metric].ofBreakdown && METRICS[metric].read({ residentBreakdown }) === null)
  return [...new Set(missing.map(({ metric }) => metric))].map((metric) => new OffheapError('ERR_OFFHEAP_METRIC_UNAVAILABLE',
    `The threshold ${metric} does nothing: residentBreakdown() has no ${metric} here (docs/memory.md says when); leave it out`))
}

/** The temporary reason why files of /proc cannot be read: no file descriptor is left. `null`: there is none. */
function temporaryReason () {
  try {
    fs.closeSync(fs.openSync('/proc/self/status'))
    return null
  } catch (error) {
    return error.code === 'EMFILE' || error.code === 'ENFILE' ? error : null
  }
}

module.exports = { METRICS, columns, needsAddons, missingIn, needsBreakdown, parseThresholds, refusePartialPool, refuseUnmeasurable, valueOf }
