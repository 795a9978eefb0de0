'use strict'

const test = require('node:test')
const assert = require('node:assert')
const { Worker, threadId } = require('node:worker_threads')
const { runChildForJson } = require('../helpers/child.js')

const file = JSON.stringify(require.resolve('../../lib/base/thread.js'))

test('the main thread is known without worker_threads', async () => {
  const seen = await runChildForJson(`
    const { isMainThread, threadId } = require(${file})
    console.log(JSON.stringify({ isMainThread, threadId, loads: process.moduleLoadList.includes('NativeModule worker_threads') }))
  `)

  const needsNative = process.platform === 'linux' && process.arch === 'x64'
  assert.deepStrictEqual(seen, { isMainThread: true, threadId: 0, loads: !needsNative })
})

test('a worker has its own number', async () => {
  const worker = new Worker(`require('node:worker_threads').parentPort.postMessage(require(${file}))`, { eval: true })
  const own = worker.threadId
  const seen = await new Promise((resolve, reject) => worker.once('message', resolve).once('error', reject))

  assert.deepStrictEqual(seen, { isMainThread: false, threadId: own })
  assert.notStrictEqual(own, threadId)
})

test('the clock of the addon goes on', () => {
  const { now } = require('../../lib/base/load.js')
  let last = now()
  assert.ok(last >= 0, String(last))
  for (let changes = 0; changes < 1_000;) {
    const next = now()
    assert.ok(next >= last, `${next} after ${last}`)
    if (next > last) changes++
    last = next
  }
})
