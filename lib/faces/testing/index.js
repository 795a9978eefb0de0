'use strict'

const { expectNoBufferGrowth } = require('./expect-no-buffer-growth.js')
const { expectNoExternalGrowth } = require('./expect-no-external-growth.js')
const { expectNoAddonGrowth } = require('./expect-no-addon-growth.js')
const { gcUntil } = require('./gc-until.js')
const matchers = require('./matchers.js')

module.exports = { expectNoBufferGrowth, expectNoExternalGrowth, expectNoAddonGrowth, gcUntil, matchers }
