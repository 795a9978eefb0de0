'use strict'

const test = require('node:test')
const assert = require('node:assert')
const path = require('node:path')
const { support } = require('../../..')
const { runChildForJson } = require('../../helpers/child.js')

const fixture = path.join(__dirname, 'fixtures', 'random.js')

for (const seed of [20_261_121, 7, 911]) {
  test(`the child, the process and a model that marks every byte agree on random views (seed ${seed})`, async () => {
    const { modes, slabs, slices } = await runChildForJson(fixture, { args: [String(seed)] })
    assert.strictEqual(modes, support().probe.available ? 2 : 1)
    assert.ok(slabs > 5 && slices > 10, `${slabs} slabs, ${slices} slices`)
  })
}
