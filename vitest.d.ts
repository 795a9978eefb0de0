/**
 * Adds offheap's matchers to vitest's `expect`: list it in `test.setupFiles`. Needs vitest ≥ 3.2 for the types. The same as vitest.d.mts, for
 * `moduleResolution: node10` and for CommonJS.
 * @example
 * // vitest.config.js
 * export default { test: { setupFiles: ['offheap/vitest'] } }
 */
import { type GrowthMatchers, matchers } from './testing.js'

export { matchers }

// Where vitest is not installed there is nothing to add to.
// @ts-ignore
declare module 'vitest' {
  interface Matchers<T = any> extends GrowthMatchers {}
}
