'use strict'

const test = require('node:test')
const assert = require('node:assert')
const path = require('node:path')
const { support } = require('../..')
const { runChildForJson } = require('../helpers/child.js')

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
