'use strict'

// A fork copies private memory. What is mapped shared is the service's as well, and the file's.

const test = require('node:test')
const assert = require('node:assert')
const path = require('node:path')
const { runChildForJson } = require('../helpers/child.js')
const { fixtureAddon } = require('../helpers/fixture-addon.js')
const { emptyFolder } = require('../helpers/folder.js')
const { support } = require('../..')

const { available, reason } = support().probe
const addon = available ? fixtureAddon('held') : {}
const skip = available ? addon.skip ?? false : `no probe here: ${reason}`
const scenario = (...args) => runChildForJson(path.join(__dirname, 'fixtures', 'held.js'), { args, timeoutMs: 60_000 })

test('writes of a child to a shared file mapping stay in the child', { skip }, async (t) => {
  assert.deepStrictEqual(await scenario('file', addon.file, path.join(emptyFolder(t), 'mapped file')), {
    child: [1, 99, 3], service: [1, 2, 3], file: [1, 2, 3], afterwards: [7, 2, 3]
  })
})

test('shared memory without a file can be read in a child, and a write to it ends the child', { skip }, async () => {
  assert.deepStrictEqual(await scenario('memory', addon.file), {
    child: [1, 2, 3], code: 'ERR_OFFHEAP_PROBE_CRASHED', signal: true, service: [1, 2, 3]
  })
})

test('a file that was deleted since it was mapped is shared memory without a file', { skip }, async (t) => {
  assert.deepStrictEqual(await scenario('deleted', addon.file, path.join(emptyFolder(t), 'deleted')), {
    child: [1, 2, 3], code: 'ERR_OFFHEAP_PROBE_CRASHED', signal: true, service: [1, 2, 3]
  })
})
