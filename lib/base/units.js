'use strict'

// Parses sizes as people write them: 536870912, '512MB', '1.5 GiB'.
// kB, MB, GB and TB are powers of 1,000, as in the SI. Every report prints these units (lib/base/format.js). KiB, MiB, GiB and TiB are powers
// of 1,024. V8 (--max-old-space-size=512) and Docker (-m 512m) count in MiB.

const { integer, invalidType, invalidValue, outOfRange } = require('./validate.js')

const UNITS = new Map([
  ['b', 1], ['kb', 1e3], ['mb', 1e6], ['gb', 1e9], ['tb', 1e12], ['kib', 2 ** 10], ['mib', 2 ** 20], ['gib', 2 ** 30], ['tib', 2 ** 40]
])
const FORM = 'a number of bytes or a string such as "512MB"'

/**
 * Parses a size. Returns whole bytes, within the limits.
 * @param {string} name
 * @param {unknown} value
 * @param {{ min?: number, max?: number }} [limits]
 * @returns {number}
 */
function bytes (name, value, { min = 1, max = Number.MAX_SAFE_INTEGER } = {}) {
  if (typeof value === 'number') return integer(name, value, { min, max })
  if (typeof value !== 'string') throw invalidType(name, FORM, value)
  const parts = /^(\d+(?:\.\d+)?) ?([a-z]+)$/i.exec(value)
  const unit = parts === null ? undefined : UNITS.get(parts[2].toLowerCase())
  if (unit === undefined) throw invalidValue(name, `${FORM} (units: B; kB, MB, GB, TB of 1000; KiB, MiB, GiB, TiB of 1024)${didYouMean(parts)}`, value)
  const product = Number(parts[1]) * unit
  const nearest = Math.round(product)
  // 1.001 * 1000 is 1000.9999999999999.
  const size = Math.abs(nearest - product) <= 2 * Number.EPSILON * product ? nearest : Math.floor(product)
  // Less than one byte becomes 0, which the caller did not mean.
  if (!Number.isSafeInteger(size) || size < min || size > max || (size === 0 && product > 0)) throw outOfRange(name, `at least ${min} and at most ${max} bytes`, value)
  return size
}

/** Suggests a spelling. The m of Docker's 512m is 2^20, in other tools 10^6; the Mi of Kubernetes' 512Mi is 2^20. */
function didYouMean (parts) {
  const short = parts === null ? null : /^([kmgt])(i?)$/i.exec(parts[2])
  if (short === null) return ''
  const prefix = short[1].toUpperCase()
  const binary = `"${parts[1]}${prefix}iB"`
  return short[2] === '' ? `; did you mean "${parts[1]}${prefix === 'K' ? 'k' : prefix}B" or ${binary}?` : `; did you mean ${binary}?`
}

/** Whether a value is written as a percentage, valid or not. */
function isPercentage (value) {
  return typeof value === 'string' && value.trimEnd().endsWith('%')
}

/**
 * Parses '80%' as 80. More than 0 and at most 100.
 * @param {string} name
 * @param {unknown} value
 * @returns {number}
 */
function percentage (name, value) {
  const parts = typeof value === 'string' && /^(\d+(?:\.\d+)?) ?%$/.exec(value)
  if (!parts) throw invalidValue(name, 'a percentage such as "80%"', value)
  const percent = Number(parts[1])
  if (!(percent > 0 && percent <= 100)) throw outOfRange(name, 'more than "0%" and at most "100%"', value)
  return percent
}

module.exports = { bytes, isPercentage, percentage }
