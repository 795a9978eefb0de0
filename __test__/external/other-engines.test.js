'use strict'

// Which engines offheap asks for weak references and identities.

const test = require('node:test')
const assert = require('node:assert')
const path = require('node:path')
const binding = require('../../lib/base/load.js')
const { runChildForJson } = require('../helpers/child.js')

const root = path.join(__dirname, '..', '..')
const LINES = ['20', '22', '24', '26']

test('the engine is asked on the lines of Node that are tested', { skip: !(process.platform === 'linux' && process.arch === 'x64') && 'another platform' }, () => {
  assert.strictEqual(binding.threadState.byEngine !== 0, LINES.includes(process.versions.node.split('.')[0]))
})

for (const runtime of ['bun', 'deno', 'electron']) {
  test(`${runtime} is never asked, and values are counted all the same`, async () => {
    const { byEngine, tally } = await runChildForJson(`
      Object.defineProperty(process, 'versions', { value: Object.freeze({ ...process.versions, ${runtime}: '1.0.0' }) })
      const { externalAllocations, track } = require(${JSON.stringify(root)})
      const kept = [{}, new ArrayBuffer(8), Buffer.alloc(100)]
      for (let n = 0; n < 2; n++) for (const value of kept) track(value, { label: 'kept', byteLength: 10 })
      const { liveBytes, liveCount } = externalAllocations().labels.kept
      console.log(JSON.stringify({ byEngine: require(${JSON.stringify(path.join(root, 'lib', 'base', 'load.js'))}).threadState.byEngine, tally: [liveBytes, liveCount] }))
    `)

    assert.deepStrictEqual([byEngine, tally], [0, [30, 3]])
  })
}

test('what is no object is not looked up', () => {
  for (const value of [undefined, null, 5, 'text', Symbol('s'), 5n]) assert.strictEqual(binding.findObject(value), undefined)
  assert.strictEqual(binding.findObject(), undefined)
})
