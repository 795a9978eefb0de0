'use strict'

// Sizes as people write them: 536870912, '512MB', '1.5 GB'.
// MB is 2^20 bytes and so is MiB: what V8 (--max-old-space-size=512), Docker (-m 512m) and Node's own documentation mean.
// Reading it as 10^6 would set a limit 5 % lower than the one next to it in the same deployment file.

const { integer, invalidType, invalidValue, outOfRange } = require('./validate.js')

const UNITS = new Map([
  ['b', 1], ['kb', 2 ** 10], ['kib', 2 ** 10], ['mb', 2 ** 20], ['mib', 2 ** 20], ['gb', 2 ** 30], ['gib', 2 ** 30], ['tb', 2 ** 40], ['tib', 2 ** 40]
])
const FORM = 'a number of bytes or a string such as "512MB"'

/**
 * A size in bytes, whole and within limits.
 * @param {string} name
 * @param {unknown} value
 * @param {{ min?: number }} [limits]
 * @returns {number}
 */
function bytes (name, value, { min = 1 } = {}) {
  if (typeof value === 'number') return integer(name, value, { min })
  if (typeof value !== 'string') throw invalidType(name, FORM, value)
  const parts = /^(\d+(?:\.\d+)?) ?([a-z]+)$/i.exec(value)
  const unit = parts === null ? undefined : UNITS.get(parts[2].toLowerCase())
  if (unit === undefined) throw invalidValue(name, `${FORM} (units: B, KB, MB, GB, TB)`, value)
  const size = Math.floor(Number(parts[1]) * unit)
  if (!Number.isSafeInteger(size) || size < min) throw outOfRange(name, `at least ${min} and at most ${Number.MAX_SAFE_INTEGER} bytes`, value)
  return size
}

/** Whether a value is meant as a percentage, right or wrong. */
function isPercentage (value) {
  return typeof value === 'string' && value.trimEnd().endsWith('%')
}

/**
 * '80%' as 80; more than 0 and at most 100.
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
