'use strict'

const { path } = require('./fit.js')
const { plain } = require('../../base/format.js')

const wrap = (open, close) => (text) => `\u001b[${open}m${text}\u001b[${close}m`
const coloured = { bold: wrap(1, 22), dim: wrap(2, 22), red: wrap(31, 39) }

/**
 * The style of a text. Paths get marks for `fit()`. There are no colours with NO_COLOR (https://no-color.org), and none when the stream is no
 * terminal, unless FORCE_COLOR (https://force-color.org) requests them.
 */
function styles (stream, env) {
  return { ...colours(stream, env), path }
}

function colours (stream, env) {
  if (env.NO_COLOR) return plain
  if (env.FORCE_COLOR && env.FORCE_COLOR !== '0') return coloured
  return stream.isTTY === true && env.TERM !== 'dumb' ? coloured : plain
}

module.exports = { styles }
