'use strict'

const test = require('node:test')
const assert = require('node:assert')
const path = require('node:path')
const { runChildForJson } = require('../helpers/child.js')

const root = path.join(__dirname, '..', '..')

// Some modules of Node's take a look at the process when they are loaded (zlib at buffer.kMaxLength): a program that changes
// something before it loads them must find them unloaded.
for (const name of ['index.js', 'lib/faces/register.js']) {
  test(`${name} loads neither zlib nor crypto, http or child_process`, async () => {
    const loaded = await runChildForJson(`
      require(${JSON.stringify(path.join(root, name))})
      console.log(JSON.stringify(process.moduleLoadList))
      process.exit()
    `)

    for (const builtin of ['zlib', 'crypto', 'http', 'https', 'net', 'child_process', 'inspector']) {
      assert.ok(!loaded.includes(`NativeModule ${builtin}`), builtin)
    }
    assert.ok(loaded.includes('NativeModule v8'))
  })
}
