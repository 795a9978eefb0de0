'use strict'

// What package.json says of its entries: each file is there and in the package, and what can be required can be imported by name.

const test = require('node:test')
const assert = require('node:assert')
const fs = require('node:fs')
const path = require('node:path')
const { runChildForJson } = require('../helpers/child.js')

const root = path.join(__dirname, '..', '..')
const manifest = require('../../package.json')

/** All files that an entry of `exports` leads to, by condition. */
function files (entry) {
  return typeof entry === 'string' ? [entry] : Object.values(entry).flatMap(files)
}

test('each file that an entry names is there, and is published', () => {
  const published = manifest.files.map((name) => path.join(root, name))
  for (const file of Object.values(manifest.exports).flatMap(files).map((name) => path.join(root, name))) {
    assert.ok(fs.statSync(file).isFile(), file)
    assert.ok(file === path.join(root, 'package.json') || published.some((name) => file === name || file.startsWith(`${name}${path.sep}`)), file)
  }
})

test('each entry has types where TypeScript without `exports` looks for them', () => {
  for (const name of Object.keys(manifest.exports).filter((name) => name !== './package.json')) {
    assert.ok(fs.existsSync(path.join(root, name === '.' ? manifest.types : `${name}.d.ts`)), name)
  }
})

test('types come before the code, and CommonJS is said to be CommonJS', () => {
  assert.strictEqual(manifest.type, 'commonjs')
  const check = (entry) => {
    if (typeof entry === 'string') return
    const conditions = Object.keys(entry)
    if (conditions.includes('types')) assert.deepStrictEqual(conditions, ['types', 'default'])
    Object.values(entry).forEach(check)
  }
  Object.values(manifest.exports).forEach(check)
})

for (const name of ['offheap', 'offheap/analysis', 'offheap/testing', 'offheap/express', 'offheap/register']) {
  test(`${name} can be imported by the names that can be required`, async () => {
    const { required, imported } = await runChildForJson(`
      const required = Object.keys(require(${JSON.stringify(name)}))
      import(${JSON.stringify(name)}).then((module) => {
        console.log(JSON.stringify({ required: required.sort(), imported: Object.keys(module).filter((name) => name !== 'default' && name !== 'module.exports').sort() }))
        process.exit()
      })
    `, { cwd: root })
    assert.deepStrictEqual(imported, required)
    assert.ok(name === 'offheap/express' || imported.length > 2)
  })
}
