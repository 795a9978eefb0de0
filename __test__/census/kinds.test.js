'use strict'

const test = require('node:test')
const { support } = require('../..')
const { kinds } = require('./helpers/kinds.js')

for (const mode of support().probe.available ? ['probe', 'in-process'] : ['in-process']) {
  for (const [title, run] of kinds(mode)) test(title, run)
}
