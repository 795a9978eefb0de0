'use strict'

const test = require('node:test')
const assert = require('node:assert')
const path = require('node:path')
const { support } = require('../../..')
const { runChildForJson } = require('../../helpers/child.js')

const fixture = path.join(__dirname, 'fixtures', 'lifecycle.js')
const modes = support().probe.available ? ['probe', 'in-process'] : ['in-process']
const run = (scenario, args) => runChildForJson(fixture, { args: [scenario, ...args] })

for (const mode of modes) {
  test(`six censuses leave nothing behind (${mode})`, async () => {
    const { before, after } = await run('repeated', [mode])
    assert.deepStrictEqual(after, before)
  })

  test(`realms that have ended are neither touched nor counted (${mode})`, async () => {
    const { counts } = await run('realmsThatEnd', [mode])
    assert.deepStrictEqual(counts, [[1, 0], [1, 0], [2, 0], [2, 0], [2, 0], [2, 0]])
  })
}

for (const mode of modes) {
  test(`a census of many realms ends at its time limit, with the realms that were read (${mode})`, async () => {
    // All of them take a minute and more.
    const limit = mode === 'probe' ? { timeoutMs: 15_000 } : { maxPauseMs: 4_000 }
    const { realms, stores, streams, ...rest } = await run('manyRealms', [mode, '150', JSON.stringify(limit)])
    assert.deepStrictEqual(rest, { complete: false, missing: ['realms'], lowerLimits: true, paths: 0, inTime: true, marks: 0 })
    assert.strictEqual(realms.count, 151)
    assert.ok(realms.readCount >= 1 && realms.readCount < 151, JSON.stringify(realms))
    assert.deepStrictEqual([stores, streams, realms.unseenCount], [realms.readCount - 1, realms.readCount - 1, 151 - realms.readCount])
  })
}
