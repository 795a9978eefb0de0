'use strict'

const test = require('node:test')
const { beyondObjects } = require('./helpers/beyond-objects.js')

for (const [title, run] of beyondObjects('in-process')) test(title, run)
