'use strict'

const { path } = require('./fit.js')
const { plain } = require('../../base/format.js')

const wrap = (open, close) => (text) => `\u001b[${open}m${text}\u001b[${close}m`
const coloured = { bold: wrap(1, 22), dim: wrap(2, 22), red: wrap(31, 39) }

/** How a text is shown. Paths are marked for `fit()`. Colours, or none: NO_COLOR (https://no-color.org) and what is no terminal get none, unless FORCE_COLOR (https://force-color.org) asks for them. */
function styles (stream, env) {
  return { ...colours(stream, env), path }
}

function colours (stream, env) {
  if (env.NO_COLOR) return plain
  if (env.FORCE_COLOR && env.FORCE_COLOR !== '0') return coloured
  return stream.isTTY === true && env.TERM !== 'dumb' ? coloured : plain
}

module.exports = { styles }
