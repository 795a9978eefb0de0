'use strict'

// Locks of other libraries, whose slots nobody writes, which a thread held at the moment of the fork.

const test = require('node:test')
const assert = require('node:assert')
const path = require('node:path')
const { runChildForJson } = require('../helpers/child.js')
const { fixtureAddon } = require('../helpers/fixture-addon.js')
const { support } = require('../..')

const { available, reason } = support().probe
const addon = available ? fixtureAddon('held') : {}
const skip = available ? addon.skip ?? false : `no probe here: ${reason}`
const take = (kind) => runChildForJson(path.join(__dirname, 'fixtures', 'held.js'), { args: ['lock', addon.file, kind], timeoutMs: 60_000 })

for (const kind of ['mutex', 'inheriting mutex', 'rwlock', 'semaphore', 'condition', 'assembly', 'images']) {
  test(`a wait without end is detected in any library: ${kind}`, { skip }, async () => {
    assert.deepStrictEqual(await take(kind), { code: 'ERR_OFFHEAP_PROBE_DEADLOCK', attempts: 5 })
  })
}

for (const kind of ['stream', 'thread']) {
  test(`the C library itself frees its locks in a child: ${kind}`, { skip }, async () => {
    assert.deepStrictEqual(await take(kind), { value: 'taken' })
  })
}
