'use strict'

// Where V8 is not one that offheap knows, weak references are Node-API's, and objects have tickets. The tests of this folder hold there too.

const test = require('node:test')
const assert = require('node:assert')
const path = require('node:path')
const binding = require('../../lib/base/load.js')
const { runChild } = require('../helpers/child.js')

const WITHOUT_ENGINE = path.join(__dirname, 'helpers', 'without-engine.js')

test('the engine is a known one', { skip: !(process.platform === 'linux' && process.arch === 'x64') && 'another platform' }, () => {
  assert.notStrictEqual(binding.threadState.byEngine, 0)
})

for (const file of ['any-object', 'identity', 'tallies']) {
  test(`with references of Node-API: ${file}`, async () => {
    const { code, stdout } = await runChild(path.join(__dirname, `${file}.test.js`), { execArgv: ['--expose-gc', '-r', WITHOUT_ENGINE] })
    assert.strictEqual(code, 0, stdout)
    assert.match(stdout, /^(?:#|ℹ) fail 0$/m)
  })
}
