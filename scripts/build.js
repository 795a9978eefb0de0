'use strict'

// Builds the addon with cargo and puts it where lib/base/load.js looks for it.
// `prepare` runs this in a checkout; a package from the registry carries the built file and never runs it.

const { spawnSync } = require('node:child_process')
const fs = require('node:fs')
const path = require('node:path')

const root = path.join(__dirname, '..')
const debug = process.argv.includes('--debug')
const profile = debug ? 'debug' : 'release'

const built = spawnSync('cargo', ['build', '--lib', ...(debug ? [] : ['--release'])], { cwd: root, stdio: 'inherit' })
if (built.error) {
  fail(`cargo could not be started (${built.error.code}). offheap is built from source here and needs Rust: https://rustup.rs`)
}
if (built.status !== 0) fail(`cargo build failed with ${built.signal ?? `exit code ${built.status}`}`)

const library = { darwin: 'liboffheap.dylib', win32: 'offheap.dll' }[process.platform] ?? 'liboffheap.so'
const source = path.join(process.env.CARGO_TARGET_DIR ?? path.join(root, 'target'), profile, library)
const directory = path.join(root, 'prebuilds', target())
const destination = path.join(directory, 'offheap.node')

// Temporary name, then rename: writing into a file that a running process has mapped would crash that process.
fs.mkdirSync(directory, { recursive: true })
const temporary = `${destination}.${process.pid}.partial`
fs.copyFileSync(source, temporary)
fs.renameSync(temporary, destination)
process.stdout.write(`built ${path.relative(root, destination)} (${profile}, ${(fs.statSync(destination).size / 1e6).toFixed(1)} MB)\n`)

/** The folder of prebuilds/ that this build belongs in; lib/base/load.js tries them by name. */
function target () {
  const { platform, arch } = process
  if (platform !== 'linux') return `${platform}-${arch}`
  const { glibcVersionRuntime } = process.report.getReport().header
  return `linux-${arch}-${glibcVersionRuntime === undefined ? 'musl' : 'glibc'}`
}

function fail (message) {
  process.stderr.write(`${message}\n`)
  process.exit(1)
}
