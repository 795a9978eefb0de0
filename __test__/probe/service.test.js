'use strict'

const test = require('node:test')
const { loaded } = require('./helpers/loaded-service.js')
const { support } = require('../..')

const { available, reason } = support().probe
const skip = available ? false : `no probe here: ${reason}`

test('a service under load answers every request while it takes snapshots', { skip }, async (t) => {
  await loaded(t, 1)
})
