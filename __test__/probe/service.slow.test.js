'use strict'

const test = require('node:test')
const { loaded } = require('./helpers/loaded-service.js')
const { support } = require('../..')

const { available, reason } = support().probe
const skip = available ? false : `no probe here: ${reason}`

test('a service under load answers every request while snapshots run back to back', { skip }, async (t) => {
  await loaded(t, 6_000)
})
