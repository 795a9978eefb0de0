// Types of offheap/vitest: compiled, never run. Without vitest's own types, which are not installed here.

import { matchers } from 'offheap/vitest'
import { matchers as sameMatchers } from 'offheap/testing'

const pass: Promise<boolean> = matchers.toHaveNoExternalGrowth(() => {}, { label: 'uploads' }).then((result) => result.pass)
const same: typeof matchers = sameMatchers
// @ts-expect-error no such option
matchers.toHaveNoExternalGrowth(() => {}, { iteration: 5 })

export { pass, same }
