/**
 * Adds offheap's matchers to vitest's `expect`. List this module in `test.setupFiles`. The types need vitest ≥ 3.2. This file has the same
 * content as vitest.d.mts, for `moduleResolution: node10` and for CommonJS.
 * @example
 * // vitest.config.js
 * export default { test: { setupFiles: ['offheap/vitest'] } }
 */
import { type GrowthMatchers, matchers } from './testing.js'

export { matchers }

// Without vitest, TypeScript does not find the module 'vitest'.
// @ts-ignore
declare module 'vitest' {
  interface Matchers<T = any> extends GrowthMatchers {}
}
