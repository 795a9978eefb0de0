'use strict'

const test = require('node:test')
const assert = require('node:assert')
const path = require('node:path')
const { runChild } = require('../../helpers/child.js')

test('examples/leak-test.js finds its leak and ends with code 0', async () => {
  const { code, stdout, stderr } = await runChild(path.join(__dirname, '..', '..', '..', 'examples', 'leak-test.js'))

  assert.strictEqual(stderr, '')
  assert.strictEqual(code, 0)
  assert.match(stdout, /^clean: 100 calls and 100 more left 0 and 0 bytes behind$/m)
  assert.match(stdout, /^ {2}label "thumbnails": \+48000 bytes, 1 value per iteration \(block 1: \+4800000 bytes, block 2: \+4800000 bytes, of 100 iterations each; tolerance 0 bytes\)$/m)
})
