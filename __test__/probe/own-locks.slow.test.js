'use strict'

const test = require('node:test')
const assert = require('node:assert')
const path = require('node:path')
const { runChildForJson } = require('../helpers/child.js')
const { support } = require('../..')

const { available, reason } = support().probe
const skip = available ? false : `no probe here: ${reason}`

test('a child can use what a worker of the service uses at the moment of the fork', { skip }, async () => {
  // Without our locks being held across the fork one child in ten met one, and hung until its timeout.
  const outcomes = await runChildForJson(path.join(__dirname, 'fixtures', 'own-locks.js'), { args: ['40'] })

  assert.deepStrictEqual(outcomes, { 1: 40 })
})
