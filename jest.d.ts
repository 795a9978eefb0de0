/**
 * Adds offheap's matchers to jest's `expect`: list it in `setupFilesAfterEnv`.
 * @example
 * // jest.config.js
 * module.exports = { setupFilesAfterEnv: ['offheap/jest'] }
 * // a test
 * test('an upload leaves nothing behind', async () => {
 *   await expect(() => upload('a.png')).toHaveNoExternalGrowth({ label: 'uploads' })
 * })
 */
import { type BufferGrowthOptions, type ExternalGrowthOptions, type ReferenceGrowthOptions, matchers } from './testing.js'

export { matchers }

interface OffheapMatchers<R> {
  /**
   * Runs the function in two equal blocks and fails when external memory grew in the second one; `expectNoExternalGrowth()` of
   * `offheap/testing` as a matcher. Asynchronous: await it. It forces garbage collections, 0.14 to 0.8 s beside the calls.
   * With `.not` it fails when nothing grew. What the function throws fails the test as it is.
   * @param options as for `expectNoExternalGrowth()`
   */
  toHaveNoExternalGrowth (options?: ExternalGrowthOptions): Promise<R>
  /**
   * Runs the function in two equal blocks and fails when Buffers keep more bytes alive after the second one;
   * `expectNoBufferGrowth()` of `offheap/testing` as a matcher. Asynchronous: await it. Three to six censuses beside the calls.
   * @param options as for `expectNoBufferGrowth()`
   */
  toHaveNoBufferGrowth (options?: BufferGrowthOptions): Promise<R>
  /**
   * Runs the function in two equal blocks and fails when an addon held more after the second one; `expectNoReferenceGrowth()` of
   * `offheap/testing` as a matcher. Asynchronous: await it. It forces garbage collections, as the other one.
   * @param options as for `expectNoReferenceGrowth()`
   */
  toHaveNoReferenceGrowth (options?: ReferenceGrowthOptions): Promise<R>
}

declare global {
  namespace jest {
    // `expect` as a global, with @types/jest.
    interface Matchers<R, T = {}> extends OffheapMatchers<R> {}
  }
}

// `import { expect } from '@jest/globals'`. Where jest is not installed there is nothing to add to.
// @ts-ignore
declare module 'expect' {
  interface Matchers<R extends void | Promise<void>, T = unknown> extends OffheapMatchers<R> {}
}
