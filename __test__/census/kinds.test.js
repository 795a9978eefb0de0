'use strict'

// Where there is a probe, kinds.slow.test.js does the same in the process itself.

const test = require('node:test')
const { support } = require('../..')
const { checks } = require('./helpers/kinds.js')

const modes = [support().probe.available ? 'probe' : 'in-process']
for (const [title, check] of checks) test(title, () => check(modes))
