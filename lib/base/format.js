'use strict'

// Text for people: sizes, counts, aligned tables. The caller knows where the text is shown, and passes its style.

const UNITS = ['B', 'kB', 'MB', 'GB', 'TB']

/**
 * 1536 → "1.5 kB". Three digits are enough to compare. Units are powers of 1,000, as in Chrome DevTools, and as options read them
 * (lib/base/units.js).
 */
function bytes (value) {
  if (value === null) return '–'
  const sign = value < 0 ? '-' : ''
  let size = Math.abs(value)
  let unit = 0
  while (size >= 999.5 && unit < UNITS.length - 1) {
    size /= 1000
    unit++
  }
  return `${sign}${unit === 0 || size >= 99.95 ? Math.round(size) : size.toFixed(1)} ${UNITS[unit]}`
}

/** 1234567 → "1,234,567". */
function count (value) {
  return value === null ? '–' : String(value).replace(/\B(?=(\d{3})+$)/g, ',')
}

/** A number with its sign, formatted by `bytes` or `count`. */
function signed (format, value) {
  return value > 0 ? `+${format(value)}` : format(value)
}

function percent (part, whole) {
  return whole > 0 ? `${Math.round(part / whole * 100)} %` : '–'
}

/**
 * Rows under headings, in aligned columns. The last column is not padded and not cut.
 * @param {{ title: string, left?: boolean }[]} columns
 * @param {string[][]} rows
 * @param {{ bold: (text: string) => string }} style
 */
function table (columns, rows, style) {
  const widths = columns.map(({ title }, column) =>
    Math.max(title.length, ...rows.map((row) => row[column].length)))
  const line = (cells) => cells.map((cell, column) => {
    if (columns[column].left) return column === columns.length - 1 ? cell : cell.padEnd(widths[column])
    return cell.padStart(widths[column])
  }).join('  ').trimEnd()
  return [style.bold(line(columns.map(({ title }) => title))), ...rows.map(line)].map((text) => `  ${text}\n`).join('')
}

/** Replaces control characters: a snapshot's strings may contain any, and they must not reach a terminal. */
function clean (text) {
  // eslint-disable-next-line no-control-regex
  return text.replace(/[\u0000-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069]/g, (character) =>
    character === '\n' ? '↵' : `\\x${character.charCodeAt(0).toString(16).padStart(2, '0')}`)
}

function shorten (text, length) {
  const cleaned = clean(text)
  return cleaned.length > length ? `${cleaned.slice(0, length - 1)}…` : cleaned
}

const asIs = (text) => text
/** The style of files. Styles of terminals are in lib/faces/cli/styles.js. */
const plain = { bold: asIs, dim: asIs, red: asIs, path: asIs }

module.exports = { bytes, clean, count, percent, plain, shorten, signed, table }
