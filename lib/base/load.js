'use strict'

// Loads the native binding. All other files of lib/ get the binding from this file.

const fs = require('node:fs')
const path = require('node:path')
const { OffheapError } = require('./errors.js')

// On Linux, offheap does not find out which C library there is, because that costs milliseconds. A build for the other C library does not
// load, and then the next candidate is tried.
const candidates = process.platform === 'linux'
  ? [`linux-${process.arch}-glibc`, `linux-${process.arch}-musl`]
  : [`${process.platform}-${process.arch}`]

// An ES module bundle has no __dirname.
const here = typeof __dirname === 'string' ? __dirname : null

function load () {
  const tried = []
  if (here === null) return bundled(tried)
  for (const target of candidates) {
    const file = path.join(here, '..', '..', 'prebuilds', target, 'offheap.node')
    try {
      return require(file)
    } catch (error) {
      tried.push(`  ${file}: ${error.code ?? error.name}: ${String(error.message).split('\n')[0]}`)
      if (error.code === 'ERR_DLOPEN_DISABLED') {
        return missing('Node runs with --no-addons, or with --permission and without --allow-addons; offheap needs addons', error)
      }
    }
  }
  if (isBundled()) return bundled(tried)
  return missing([
    `Could not load the offheap addon for ${process.platform} ${process.arch}. Tried:`,
    ...tried,
    'Possible remedies:',
    '  - in a checkout, build it with `npm run build` (needs Rust)',
    '  - in an application, install offheap again on this platform; do not copy node_modules from another one'
  ].join('\n'))
}

function bundled (tried) {
  return missing([
    `offheap is part of a bundle${here === null ? '' : ` (in ${here})`}, and its addon is not in the bundle. Leave offheap out of the bundle, and install it where the bundle runs:`,
    '  - esbuild: --external:offheap',
    "  - webpack: externals: [/^offheap($|\\/)/], externalsType: 'commonjs'",
    '  - Rollup: external: [/^offheap($|\\/)/]',
    "  - Next.js: serverExternalPackages: ['offheap']",
    ...(tried.length > 0 ? ['Tried:', ...tried] : [])
  ].join('\n'))
}

/** Whether this file runs outside of offheap's own package. */
function isBundled () {
  try {
    return JSON.parse(fs.readFileSync(path.join(here, '..', '..', 'package.json'), 'utf8')).name !== 'offheap'
  } catch {
    return true
  }
}

/**
 * Stands in for a binding that does not load. Every function of it throws the reason. `loadFailure` is the reason; a binding that loaded has
 * no such property.
 */
function missing (message, cause) {
  const present = { loadFailure: message, threadState: emptyThreadState() }
  return new Proxy(present, {
    get (target, name) {
      if (Object.hasOwn(target, name) || typeof name === 'symbol') return target[name]
      return () => {
        throw new OffheapError('ERR_OFFHEAP_BINDING_LOAD_FAILED', message, cause)
      }
    }
  })
}

/** The same object that lib/external/main-realm.js makes, without content. */
function emptyThreadState () {
  return { bytes: new Float64Array(1), keys: new Uint32Array(0), tickets: new Float64Array(0), values: [], viewTickets: new WeakMap(), requestCounts: new Map() }
}

module.exports = load()
