'use strict'

const test = require('node:test')
const assert = require('node:assert')
const { foreignRuntime } = require('../../lib/base/foreign-runtime.js')

test('Node is no foreign runtime, and the others are named with their version', () => {
  assert.strictEqual(foreignRuntime('the probe'), undefined)
  assert.strictEqual(foreignRuntime('the probe', { node: '22.0.0', bun: '1.2.3' }), 'this is Bun 1.2.3, and the probe is known to work only in Node')
  assert.strictEqual(foreignRuntime('interposition', { deno: '2.3.4' }), 'this is Deno 2.3.4, and interposition is known to work only in Node')
  assert.strictEqual(foreignRuntime('the probe', { node: '22.0.0', electron: '3.4.5' }), 'this is Electron 3.4.5, and the probe is known to work only in Node')
})
