'use strict'

const test = require('node:test')
const assert = require('node:assert')
const fs = require('node:fs')
const path = require('node:path')

const root = path.join(__dirname, '..', '..')

/** Versions by crate, as a lock file has them. */
function versions (...parts) {
  const lock = fs.readFileSync(path.join(root, ...parts), 'utf8')
  return new Map([...lock.matchAll(/^name = "(.+)"\nversion = "(.+)"$/gm)].map(([, name, version]) => [name, version]))
}

test('the fixture addon in Rust locks the versions that the package does, so that each crate is compiled once for both', () => {
  const own = versions('Cargo.lock')
  const fixture = versions('__test__', 'fixtures', 'addons', 'rust', 'Cargo.lock')
  fixture.delete('offheap-fixture-addon')

  assert.ok(fixture.has('napi') && fixture.has('napi-sys'))
  assert.deepStrictEqual([...fixture].filter(([name, version]) => own.get(name) !== version), [])
})
