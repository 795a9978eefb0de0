'use strict'

const test = require('node:test')
const assert = require('node:assert')
const { root, runChildForJson } = require('../helpers/child.js')

test('loaded 300 times on one thread, the newest copy counts like the first', async () => {
  // Of 256 and more copies only the first 256 counted anything: the others' values were dropped without a word.
  const result = await runChildForJson(`
    const root = ${JSON.stringify(root)}
    const held = []
    let offheap
    for (let load = 0; load < 300; load++) {
      for (const name of Object.keys(require.cache)) delete require.cache[name]
      offheap = require(root)
      held.push(offheap.track(Buffer.alloc(1_009), { label: 'loaded often' }))
    }
    held.push(offheap.track({}, { label: 'object', byteLength: 5 }), offheap.allocExternal(1_013, { label: 'native' }))
    const { labels } = offheap.externalAllocations()
    process.stdout.write(JSON.stringify({
      live: ['loaded often', 'object', 'native'].map((name) => [labels[name].liveCount, labels[name].liveBytes]),
      untracked: held.filter((value) => offheap.untrack(value)).length,
      after: offheap.externalAllocations().liveCount
    }))
  `)

  assert.deepStrictEqual(result, { live: [[300, 302_700], [1, 5], [1, 1_013]], untracked: 302, after: 0 })
})
