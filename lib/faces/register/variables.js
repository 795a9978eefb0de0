'use strict'

// Parses the OFFHEAP_… environment variables, and finds wrong values. Pure: it reads an object, and returns the problems.

const { bytes } = require('../../base/units.js')
const { invalidValue, nearest } = require('../../base/validate.js')

const KNOWN = ['OFFHEAP_ADDONS', 'OFFHEAP_TRACK_BUFFERS', 'OFFHEAP_SNAPSHOT_AT', 'OFFHEAP_SNAPSHOT_SIGNAL', 'OFFHEAP_SNAPSHOT_DIR']
const SWITCH = new Map([['0', false], ['false', false], ['off', false], ['no', false], ['1', true], ['true', true], ['on', true], ['yes', true]])
// Metrics that are counts, so that their limits need no unit.
const COUNTED = new Set(['references'])

/**
 * @param {Record<string, string | undefined>} environment
 * @returns {{
 *   addons: boolean, buffers: boolean | number, thresholds: { metric: string, limit: string | number, text: string }[],
 *   signal: string | undefined, directory: string | undefined, problems: { message: string, code: string }[]
 * }} `problems`: the values that are wrong. They are not used, as if the variable were not set.
 */
function readVariables (environment) {
  const problems = []
  const valueOf = (variable) => environment[variable]?.trim() || undefined
  /** Parses a variable's value with `reader`. When the value is wrong, the result is that of a variable that is not set. */
  const read = (variable, reader) => {
    const value = valueOf(variable)
    if (value === undefined) return reader(undefined)
    try {
      return reader(value)
    } catch (error) {
      problems.push(unused(variable, value, error))
      return reader(undefined)
    }
  }
  const wanted = {
    addons: read('OFFHEAP_ADDONS', switched),
    buffers: read('OFFHEAP_TRACK_BUFFERS', switchedOrSize),
    thresholds: thresholds(valueOf('OFFHEAP_SNAPSHOT_AT'), problems),
    signal: signal(valueOf('OFFHEAP_SNAPSHOT_SIGNAL')),
    directory: valueOf('OFFHEAP_SNAPSHOT_DIR')
  }
  if (wanted.directory !== undefined && valueOf('OFFHEAP_SNAPSHOT_AT') === undefined && wanted.signal === undefined) {
    problems.push({ message: 'OFFHEAP_SNAPSHOT_DIR does nothing without OFFHEAP_SNAPSHOT_AT or OFFHEAP_SNAPSHOT_SIGNAL, which say when a snapshot is written', code: 'ERR_INVALID_ARG_VALUE' })
  }
  for (const variable of Object.keys(environment)) {
    if (!variable.startsWith('OFFHEAP_') || KNOWN.includes(variable)) continue
    const near = nearest(variable, KNOWN)
    problems.push({ message: `${variable} is not known; ${near === undefined ? `known are ${KNOWN.join(', ')}` : `did you mean ${near}?`}`, code: 'ERR_INVALID_ARG_VALUE' })
  }
  return { ...wanted, problems }
}

/** The problem that this text of this variable is not used. */
function unused (variable, text, { message, code }) {
  return { message: `${variable}: "${text}" is not used. ${message}`, code }
}

function switched (value) {
  const wanted = value === undefined ? true : SWITCH.get(value.toLowerCase())
  if (wanted === undefined) throw invalidValue('OFFHEAP_ADDONS', '"1" or "0"', value)
  return wanted
}

function switchedOrSize (value) {
  const wanted = value === undefined ? true : SWITCH.get(value.toLowerCase())
  if (wanted !== undefined) return wanted
  if (isBareNumber(value)) throw invalidValue('OFFHEAP_TRACK_BUFFERS', '"1", "0", or a size with its unit, such as "1MB"', value)
  return bytes('OFFHEAP_TRACK_BUFFERS', value)
}

/** Parses 'rss:80%,heapUsed:900MB'. A wrong threshold does not affect the others. */
function thresholds (value, problems) {
  const found = []
  for (const text of value?.split(',').map((part) => part.trim()) ?? []) {
    const [metric, limit, more] = text.split(':').map((word) => word.trim())
    if (!metric || !limit || more !== undefined) {
      problems.push(unused('OFFHEAP_SNAPSHOT_AT', text, invalidValue('OFFHEAP_SNAPSHOT_AT', 'metrics with limits, such as "rss:80%,heapUsed:900MB"', value)))
    } else if (isBareNumber(limit) && !COUNTED.has(metric)) {
      // Nobody means 80 bytes, and with such a limit a snapshot would be written at once.
      problems.push(unused('OFFHEAP_SNAPSHOT_AT', text, { message: `A limit needs its unit: did you mean ${Number(limit) <= 100 ? `"${metric}:${limit}%" or ` : ''}"${metric}:${limit}MB"?`, code: 'ERR_INVALID_ARG_VALUE' }))
    } else {
      found.push({ metric, limit: isBareNumber(limit) ? Number(limit) : limit, text })
    }
  }
  return found
}

/** Parses a signal: `usr2` is SIGUSR2, as for kill(1). */
function signal (value) {
  if (value === undefined) return undefined
  const name = value.toUpperCase()
  return name.startsWith('SIG') ? name : `SIG${name}`
}

function isBareNumber (text) {
  return /^\d+(\.\d+)?$/.test(text)
}

module.exports = { readVariables, unused }
