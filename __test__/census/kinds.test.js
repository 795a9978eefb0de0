'use strict'

const test = require('node:test')
const { support } = require('../..')
const { testKinds } = require('./helpers/kinds.js')

if (support().probe.available) testKinds(test, 'probe')
testKinds(test, 'in-process')
