// For vitest's setupFiles. An ES module, because vitest refuses to be required.

import { expect } from 'vitest'
import matchers from './matchers.js'

expect.extend(matchers)

export { matchers }
