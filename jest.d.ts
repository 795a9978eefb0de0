/**
 * Adds offheap's matchers to jest's `expect`. List this module in `setupFilesAfterEnv`.
 * @example
 * // jest.config.js
 * module.exports = { setupFilesAfterEnv: ['offheap/jest'] }
 * @example
 * const { track } = require('offheap')
 *
 * const upload = async () => track(Buffer.alloc(10_000), { label: 'uploads' }).length
 * test('an upload leaves nothing behind', async () => {
 *   await expect(upload).toHaveNoExternalGrowth({ label: 'uploads' })
 * })
 */
import { type GrowthMatchers, matchers } from './testing.js'

export { matchers }

declare global {
  namespace jest {
    // `expect` as a global, with @types/jest.
    interface Matchers<R, T = {}> extends GrowthMatchers<R> {}
  }
}

// For `import { expect } from '@jest/globals'`. Without jest, TypeScript does not find the module 'expect'.
// @ts-ignore
declare module 'expect' {
  interface Matchers<R extends void | Promise<void>, T = unknown> extends GrowthMatchers<R> {}
}
