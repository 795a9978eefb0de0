'use strict'

// Where there is a probe, kinds.slow.test.js takes the censuses in the process itself.

const test = require('node:test')
const { support } = require('../../..')
const { kinds } = require('./helpers/kinds.js')

for (const [title, run] of kinds(support().probe.available ? 'probe' : 'in-process')) test(title, run)
