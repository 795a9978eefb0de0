'use strict'

const test = require('node:test')
const assert = require('node:assert')
const fs = require('node:fs')
const path = require('node:path')

const root = path.join(__dirname, '..', '..')

/** Versions by crate, as a lock file has them: there may be several of one crate. */
function versions (...parts) {
  const lock = fs.readFileSync(path.join(root, ...parts), 'utf8')
  return [...lock.matchAll(/^name = "(.+)"\nversion = "(.+)"$/gm)].map(([, name, version]) => `${name} ${version}`)
}

test('the fixture addon in Rust locks the versions that the package does, so that each crate is compiled once for both', () => {
  const own = versions('Cargo.lock')
  const fixture = versions('__test__', 'fixtures', 'addons', 'rust', 'Cargo.lock')
    .filter((crate) => !crate.startsWith('offheap-fixture-addon '))

  for (const name of ['napi', 'napi-sys']) assert.ok(fixture.some((crate) => crate.startsWith(`${name} `)))
  assert.deepStrictEqual(fixture.filter((crate) => !own.includes(crate)), [])
})
