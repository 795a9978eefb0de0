'use strict'

const test = require('node:test')
const assert = require('node:assert')
const fs = require('node:fs')
const os = require('node:os')
const path = require('node:path')
const zlib = require('node:zlib')
const { countClass } = require('./fixtures/snapshots.js')
const { runFixture } = require('./helpers/node.js')
const { support } = require('../..')

const { available, reason } = support().probe
const skip = available ? false : `no probe here: ${reason}`

test('a compressed snapshot holds the same objects, and says how large it was before', { skip }, async (t) => {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'offheap-probe-'))
  t.after(() => fs.rmSync(directory, { recursive: true, force: true }))
  const { code, signal, stderr, said } = await runFixture('compressed.js', [directory])
  assert.deepStrictEqual([code, signal], [0, null], stderr)

  const [plain, compressed] = ['plain', 'compressed'].map((name) => fs.readFileSync(path.join(directory, name)))
  assert.strictEqual(said.plain.byteLength, plain.length)
  assert.strictEqual(said.plain.contentBytes, plain.length)
  assert.strictEqual(said.compressed.byteLength, compressed.length)
  const text = zlib.gunzipSync(compressed)
  assert.strictEqual(said.compressed.contentBytes, text.length)
  assert.ok(compressed.length < text.length / 2)
  assert.deepStrictEqual([plain, text].map((content) => countClass(content, 'KeptByTheService')), [432, 432])
})
