'use strict'

const test = require('node:test')
const assert = require('node:assert')
const path = require('node:path')
const { support } = require('../..')
const { runChildForJson } = require('../helpers/child.js')

const fixture = path.join(__dirname, 'fixtures', 'retainers.js')
const modes = support().probe.available ? ['probe', 'in-process'] : ['in-process']

for (const mode of modes) {
  test(`retainers: true says by what path each offender is held, and nothing of offheap is on it (${mode})`, async () => {
    const { withoutAsking, slabs, slices, large } = await runChildForJson(fixture, { args: [mode], timeoutMs: 120_000 })
    assert.strictEqual(withoutAsking, false)
    const token = 'global.cache (Map) entry (Session).token (Buffer) → backing store'
    assert.strictEqual(slabs.length, 7)
    for (const { path, holders } of slabs) assert.deepStrictEqual([path, holders], [token, [{ path: token, count: 1 }]])
    assert.deepStrictEqual(slices.map(({ backingBytes, path }) => [backingBytes, path]), [
      [5_000_011, 'global.header (Buffer) → backing store'],
      [4_000_037, 'global.read (function) → variable thumbnail (Buffer) → backing store']
    ])
    assert.deepStrictEqual(large.map(({ totalBytes, path }) => [totalBytes, path]), [
      [6_000_023, 'global.image (ArrayBuffer) → backing store'],
      [5_000_011, 'global.header (Buffer) → backing store'],
      [4_000_037, 'global.read (function) → variable thumbnail (Buffer) → backing store']
    ])
  })
}
