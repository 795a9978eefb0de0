'use strict'

// As node-api-references.test.js, for the files that take longer.

const test = require('node:test')
const assert = require('node:assert')
const path = require('node:path')
const { runChild } = require('../helpers/child.js')

const WITHOUT_ENGINE = path.join(__dirname, 'helpers', 'without-engine.js')

for (const file of ['alloc-external', 'lifecycle', 'route-context', 'sweep']) {
  test(`with references of Node-API: ${file}`, async () => {
    const { code, stdout } = await runChild(path.join(__dirname, `${file}.test.js`), { execArgv: ['--expose-gc', '-r', WITHOUT_ENGINE] })
    assert.strictEqual(code, 0, stdout)
    assert.match(stdout, /^(?:#|ℹ) fail 0$/m)
  })
}
