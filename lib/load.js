'use strict'

// Loads the native binding. Nothing else in lib/ touches it except through this file.

const path = require('node:path')
const { OffheapError } = require('./errors.js')

// On Linux the C library is not asked for (finding it out costs milliseconds): a build for the other one
// refuses to load, and the next is tried.
const candidates = process.platform === 'linux'
  ? [`linux-${process.arch}-glibc`, `linux-${process.arch}-musl`]
  : [`${process.platform}-${process.arch}`]

function load () {
  const tried = []
  for (const target of candidates) {
    const file = path.join(__dirname, '..', 'prebuilds', target, 'offheap.node')
    try {
      return require(file)
    } catch (error) {
      tried.push(`  ${file}: ${error.code ?? error.name}: ${String(error.message).split('\n')[0]}`)
      if (error.code === 'ERR_DLOPEN_DISABLED') {
        throw new OffheapError('ERR_OFFHEAP_BINDING_LOAD_FAILED',
          'Node runs with --no-addons, or with --permission and without --allow-addons; offheap needs addons', error)
      }
    }
  }
  throw new OffheapError('ERR_OFFHEAP_BINDING_LOAD_FAILED', [
    `Could not load the offheap addon for ${process.platform} ${process.arch}. Tried:`,
    ...tried,
    'Possible remedies:',
    '  - in a checkout, build it with `npm run build` (needs Rust)',
    '  - in an application, install offheap again on this platform; do not copy node_modules from another one'
  ].join('\n'))
}

module.exports = load()
