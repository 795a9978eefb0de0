'use strict'

const test = require('node:test')
const { checks } = require('./helpers/kinds.js')

for (const [title, check] of checks) test(`${title} (in-process)`, () => check(['in-process']))
