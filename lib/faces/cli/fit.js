'use strict'

// Cuts lines to the width of the terminal.

// The marks around a retaining path. No text of a snapshot contains these characters, because `clean()` in lib/base/format.js replaces them.
const PATH = ['\u0001', '\u0002']
const MARKS = new RegExp(`[${PATH.join('')}]`, 'gu')
/** The least characters of a path that are useful. With less room, the line is cut at its end instead. */
const ENOUGH = 20

// A colour, or a character with the marks that combine with it.
// eslint-disable-next-line no-control-regex
const PIECES = /\u001b\[[\d;]*m|.\p{M}*/gsu

/** Marks a path, so that `fit()` cuts it at its beginning: the retainer of the object is at its end. `fit()` removes the marks. */
function path (text) {
  return `${PATH[0]}${text}${PATH[1]}`
}

/**
 * Cuts the lines of a text that are longer than `columns` characters. In a line with a path, the beginning of the path is cut; in any other line,
 * the end. "…" stands for the part that was cut. Colours take no room. A colour that is cut off is reset.
 */
function fit (text, columns) {
  return text.split('\n').map((line) => {
    const whole = line.replace(MARKS, '')
    if (columns === undefined || widthOf(whole) <= columns) return whole
    return cutPath(line, columns) ?? cut(whole, columns)
  }).join('\n')
}

function piecesOf (line) {
  return line.match(PIECES) ?? []
}

function widthOf (line) {
  return piecesOf(line).filter((piece) => !isColour(piece)).length
}

function cutPath (line, columns) {
  const start = line.indexOf(PATH[0])
  const end = line.indexOf(PATH[1])
  if (start === -1 || end === -1) return undefined
  const [before, text, after] = [line.slice(0, start), line.slice(start + 1, end), line.slice(end + 1)]
  const room = columns - widthOf(before) - widthOf(after) - 1
  if (room < Math.min(ENOUGH, widthOf(text))) return undefined
  return `${before}…${piecesOf(text).slice(-room).join('')}${after}`
}

function cut (line, columns) {
  let room = columns - 1
  let isColoured = false
  let cutLine = ''
  for (const piece of piecesOf(line)) {
    if (isColour(piece)) isColoured = true
    else if (room-- === 0) break
    cutLine += piece
  }
  return `${cutLine}…${isColoured ? '\u001b[0m' : ''}`
}

function isColour (piece) {
  return piece.startsWith('\u001b')
}

module.exports = { fit, path }
