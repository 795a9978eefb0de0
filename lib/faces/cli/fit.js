'use strict'

// Lines that are as long as the terminal is wide.

// Around a retaining path. No text of a snapshot has these characters: `clean()` in lib/base/format.js takes them out.
const PATH = ['\u0001', '\u0002']
const MARKS = new RegExp(`[${PATH.join('')}]`, 'gu')
/** Characters of a path that are worth their line: less says nothing, and the line is cut at its end instead. */
const ENOUGH = 20

// A colour, or a character with the marks that combine with it.
// eslint-disable-next-line no-control-regex
const PIECES = /\u001b\[[\d;]*m|.\p{M}*/gsu

/** A path that may be cut at its beginning: what holds the object is at its end. For `fit()`, which takes the marks out. */
function path (text) {
  return `${PATH[0]}${text}${PATH[1]}`
}

/**
 * Cuts the lines of a text that are longer than `columns` characters. A line with a path loses the beginning of that, any other its end; "…" stands for
 * it. Colours take no room, and are closed.
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
