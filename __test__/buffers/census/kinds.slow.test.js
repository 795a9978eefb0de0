'use strict'

const test = require('node:test')
const { kinds } = require('./helpers/kinds.js')

for (const [title, run] of kinds('in-process')) test(title, run)
