'use strict'

const test = require('node:test')
const assert = require('node:assert')
const path = require('node:path')
const { runChildForJson } = require('../helpers/child.js')
const { installedLibrary, preload } = require('../helpers/preload.js')
const { support } = require('../..')

const { available, reason } = support().probe
const noProbe = available ? undefined : `no probe here: ${reason}`
const script = path.join(__dirname, 'fixtures', 'preloaded.js')

const allocators = [
  ['one that knows its own blocks', preload('allocator')],
  ['jemalloc', installedLibrary('libjemalloc.so.2', 'libjemalloc2')],
  ['mimalloc', installedLibrary('libmimalloc.so.2', 'libmimalloc2.0')],
  ['tcmalloc', installedLibrary('libtcmalloc_minimal.so.4', 'libtcmalloc-minimal4')]
]

for (const [name, { file, skip }] of allocators) {
  for (const scratch of ['disk', 'memory']) {
    test(`with ${name} preloaded a snapshot with its working memory ${scratch === 'disk' ? 'on disk' : 'in memory'} is whole at the first attempt`, { skip: noProbe ?? skip ?? false }, async () => {
      const result = await runChildForJson(script, { args: [scratch], env: { LD_PRELOAD: file } })

      assert.deepStrictEqual(result, { code: null, message: null, scratch, attempts: 1, isWhole: true, sum: 57, files: 1 })
    })
  }
}
