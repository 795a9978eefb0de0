'use strict'

const test = require('node:test')
const assert = require('node:assert')
const path = require('node:path')
const { runChildForJson } = require('../helpers/child.js')

const root = path.join(__dirname, '..', '..')

// Some modules of Node's take a look at the process when they are loaded (zlib at buffer.kMaxLength): a program that changes
// something before it loads them must find them unloaded.
for (const name of ['index.js', 'lib/faces/register.js']) {
  test(`${name} loads neither zlib nor crypto, http, child_process, worker_threads, v8 or perf_hooks`, async () => {
    const loaded = await runChildForJson(`
      require(${JSON.stringify(path.join(root, name))})
      console.log(JSON.stringify(process.moduleLoadList))
      process.exit()
    `)

    // And some take milliseconds and megabytes: they are loaded by what needs them.
    for (const builtin of ['zlib', 'crypto', 'http', 'https', 'net', 'child_process', 'inspector', 'worker_threads', 'v8', 'perf_hooks']) {
      assert.ok(!loaded.includes(`NativeModule ${builtin}`), builtin)
    }
    assert.ok(loaded.includes('NativeModule buffer'), 'the list has what is loaded')
  })
}
