'use strict'

// Where there is a probe, beyond-objects.slow.test.js takes the censuses in the process itself.

const test = require('node:test')
const { support } = require('../../..')
const { beyondObjects } = require('./helpers/beyond-objects.js')

for (const [title, run] of beyondObjects(support().probe.available ? 'probe' : 'in-process')) test(title, run)
