'use strict'

// Run by scripts/test-jest.js with --injectGlobals=false: then offheap/jest has no global `expect` to extend.

const globals = require('@jest/globals')

globals.test('offheap/jest extends the expect of @jest/globals', async () => {
  globals.expect(typeof globalThis.expect).toBe('undefined')
  await globals.expect(() => {}).toHaveNoExternalGrowth({ iterations: 1, warmup: 0 })
})
