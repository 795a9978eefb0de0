'use strict'

// Compiles the addons in __test__/fixtures/addons, once per version of the source, into .cache/addons.

const { spawnSync } = require('node:child_process')
const { createHash } = require('node:crypto')
const fs = require('node:fs')
const path = require('node:path')
const { compile } = require('./compile.js')

const root = path.join(__dirname, '..', '..')

/** How the same source is compiled: the first ones differ in how it finds the functions of Node-API, see everything.c. */
const KINDS = {
  plt: [],
  relro: ['-Wl,-z,relro,-z,now'],
  'no-plt': ['-fno-plt'],
  dlsym: ['-DBY_DLSYM'],
  constructor: ['-DBY_CONSTRUCTOR'],
  experimental: ['-DEXPERIMENTAL'],
  // Beside helper.c, compiled as an addon of that name.
  dependent: ['-Wl,-rpath,$ORIGIN']
}

/**
 * The path of the compiled addon, or why there is none: `{ file }` or `{ skip }`, the latter for node:test's `skip`.
 * @param {string} name of the file in __test__/fixtures/addons, without .c
 * @param {keyof typeof KINDS} [kind]
 * @returns {{ file?: string, skip?: string }}
 */
function fixtureAddon (name, kind = 'plt') {
  if (process.platform !== 'linux') return { skip: `the fixture addons are compiled on Linux only; this is ${process.platform}` }
  const source = path.join(root, '__test__', 'fixtures', 'addons', `${name}.c`)
  const flags = KINDS[kind]
  const depends = kind === 'dependent' ? [fixtureAddon('helper').file] : []
  const hash = createHash('sha256').update(flags.join(' ')).update(depends.join(' ')).update(fs.readFileSync(source)).digest('hex').slice(0, 16)
  const directory = path.join(root, '.cache', 'addons')
  const file = path.join(directory, `${name}${kind === 'plt' ? '' : `-${kind}`}-${process.arch}-${hash}.node`)
  return compile(source, file, [...flags, `-I${require('node-api-headers').include_dir}`, ...depends])
}

/**
 * The addon in __test__/fixtures/addons/rust, made with napi-rs: `{ file }` or `{ skip }`. Shares its dependencies with the package's
 * own build, so that it takes a second after that.
 * @returns {{ file?: string, skip?: string }}
 */
function rustAddon () {
  if (process.platform !== 'linux') return { skip: `the fixture addons are compiled on Linux only; this is ${process.platform}` }
  const crate = path.join(root, '__test__', 'fixtures', 'addons', 'rust')
  const hash = createHash('sha256')
  for (const name of ['Cargo.toml', 'Cargo.lock', path.join('src', 'lib.rs')]) hash.update(fs.readFileSync(path.join(crate, name)))
  const directory = path.join(root, '.cache', 'addons')
  const file = path.join(directory, `rust-${process.arch}-${hash.digest('hex').slice(0, 16)}.node`)
  if (fs.existsSync(file)) return { file }
  const target = process.env.CARGO_TARGET_DIR ?? path.join(root, 'target')
  const built = spawnSync('cargo', ['build', '--release', '--locked'], { cwd: crate, env: { ...process.env, CARGO_TARGET_DIR: target }, encoding: 'utf8' })
  if (built.error) return { skip: `needs cargo (${built.error.code})` }
  if (built.status !== 0) throw new Error(`the fixture addon in Rust does not compile:\n${built.stderr}`)
  fs.mkdirSync(directory, { recursive: true })
  const temporary = `${file}.${process.pid}.partial`
  fs.copyFileSync(path.join(target, 'release', 'liboffheap_fixture_addon.so'), temporary)
  fs.renameSync(temporary, file)
  return { file }
}

module.exports = { fixtureAddon, rustAddon }
