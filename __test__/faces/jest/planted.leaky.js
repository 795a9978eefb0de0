'use strict'

// Not among the tests: scripts/test-jest.js runs it with --detectLeaks and wants it to fail. It proves that a realm which
// outlives its file is seen in this project, and so that no-sandbox-leak.test.js can fail.

test('something of this file is kept by the process', () => {
  require('node:events').offheapTestKeptRealm = () => expect
})
