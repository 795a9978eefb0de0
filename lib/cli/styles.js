'use strict'

const { plain } = require('../text/format.js')

const wrap = (open, close) => (text) => `\u001b[${open}m${text}\u001b[${close}m`
const coloured = { bold: wrap(1, 22), dim: wrap(2, 22), red: wrap(31, 39) }

/** Colours, or none: NO_COLOR (https://no-color.org) and everything that is no terminal get none. */
function styles (stream, env) {
  return stream.isTTY === true && !env.NO_COLOR && env.TERM !== 'dumb' ? coloured : plain
}

module.exports = { styles }
