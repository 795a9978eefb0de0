'use strict'

// Lines that are as long as the terminal is wide.

// A colour, or a character with the marks that combine with it.
// eslint-disable-next-line no-control-regex
const PIECES = /\u001b\[[\d;]*m|.\p{M}*/gsu

/** Cuts the lines of a text that are longer than `columns` characters; they end in "…" then. Colours take no room, and are closed. */
function fit (text, columns) {
  if (columns === undefined) return text
  return text.split('\n').map((line) => line.length <= columns ? line : cut(line, columns)).join('\n')
}

function cut (line, columns) {
  const pieces = line.match(PIECES)
  if (pieces.filter((piece) => !isColour(piece)).length <= columns) return line
  let room = columns - 1
  let isColoured = false
  let cutLine = ''
  for (const piece of pieces) {
    if (isColour(piece)) isColoured = true
    else if (room-- === 0) break
    cutLine += piece
  }
  return `${cutLine}…${isColoured ? '\u001b[0m' : ''}`
}

function isColour (piece) {
  return piece.startsWith('\u001b')
}

module.exports = { fit }
