'use strict'

// The profile as folded stacks: what flamegraph.pl, inferno and speedscope read. One line per call site, its frames from the
// outermost to the innermost, and the live bytes.

const { readProfile } = require('./reading.js')

function folded () {
  return readProfile().sites
    .filter(({ liveBytes }) => liveBytes > 0)
    .map(({ stack, liveBytes }) => `${stack.map(frameName).reverse().join(';')} ${liveBytes}\n`)
    .join('')
}

function frameName ({ functionName, file, line }) {
  const name = `${functionName || '(anonymous)'}${file === '' ? '' : ` (${file}:${line})`}`
  return name.replace(/[;\r\n]/g, '_')
}

module.exports = { folded }
