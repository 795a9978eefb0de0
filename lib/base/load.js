'use strict'

// Loads the native binding. Nothing else in lib/ touches it except through this file.

const fs = require('node:fs')
const path = require('node:path')
const { OffheapError } = require('./errors.js')

// On Linux the C library is not asked for (finding it out costs milliseconds): a build for the other one
// refuses to load, and the next is tried.
const candidates = process.platform === 'linux'
  ? [`linux-${process.arch}-glibc`, `linux-${process.arch}-musl`]
  : [`${process.platform}-${process.arch}`]

// A bundle that is an ES module has no __dirname.
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
    `offheap was put into a bundle${here === null ? '' : ` (in ${here})`}, and its addon stayed behind. Leave offheap out of the bundle, and install it where the bundle runs:`,
    '  - esbuild: --external:offheap',
    "  - webpack: externals: [/^offheap($|\\/)/], externalsType: 'commonjs'",
    '  - Rollup: external: [/^offheap($|\\/)/]',
    "  - Next.js: serverExternalPackages: ['offheap']",
    ...(tried.length > 0 ? ['Tried:', ...tried] : [])
  ].join('\n'))
}

/** Whether this text runs in another place than the package's own. */
function isBundled () {
  try {
    return JSON.parse(fs.readFileSync(path.join(here, '..', '..', 'package.json'), 'utf8')).name !== 'offheap'
  } catch {
    return true
  }
}

/**
 * In the place of the binding: what is there loads everywhere, and says why when it is called. `loadFailure` is the reason; the binding
 * itself has none.
 */
function missing (message, cause) {
  const stated = { loadFailure: message, threadState: emptyThreadState() }
  return new Proxy(stated, {
    get (target, name) {
      if (Object.hasOwn(target, name) || typeof name === 'symbol') return target[name]
      return () => {
        throw new OffheapError('ERR_OFFHEAP_BINDING_LOAD_FAILED', message, cause)
      }
    }
  })
}

/** What lib/external/main-realm.js makes, with nothing in it. */
function emptyThreadState () {
  return { bytes: new Float64Array(1), keys: new Uint32Array(0), tickets: new Float64Array(0), values: [], viewTickets: new WeakMap(), requestCounts: new Map() }
}

module.exports = load()
