'use strict'

const test = require('node:test')
const assert = require('node:assert')
const path = require('node:path')
const { runChildForJson } = require('../helpers/child.js')
const { preload } = require('../helpers/preload.js')
const { support } = require('../..')

const { available, reason } = support().probe
const { file, skip } = preload('threads')
const script = path.join(__dirname, 'fixtures', 'quiet.js')

const cases = [
  ['waits for events', 'e'],
  ['waits for a signal', 'p'],
  ['waits for time', 's'],
  ['waits for work of its own', 'c'],
  ['is one of many', 'cccceccps']
]

for (const [what, kinds] of cases) {
  for (const flags of [[], ['--v8-pool-size=1'], ['--v8-pool-size=8']]) {
    test(`a thread that a preloaded library started and that ${what} is not taken for V8's ${flags.join(' ')}`, { skip: available ? skip ?? false : `no probe here: ${reason}` }, async () => {
      const quiet = await runChildForJson(script, { execArgv: flags, env: { LD_PRELOAD: file, OFFHEAP_TEST_THREADS: kinds } })

      // Taken for V8's, it would be waited for in vain at each probe, and one of V8's would not be looked at.
      assert.deepStrictEqual(quiet, [true, true, true, true, true])
    })
  }
}
