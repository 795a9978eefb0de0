'use strict'

const { gcUntil } = require('offheap/testing')
const { externalAllocations } = require('offheap')

// Run after registry-1.test.js in the same worker: see by-name.js and jest.config.js.

test('this file sees what an earlier file of the same process tracked, and its end', async () => {
  const label = 'left for the next file'
  expect(externalAllocations().labels[label]).toMatchObject({ liveCount: 1, liveBytes: 2_029, totalCount: 1 })

  delete require('node:events').offheapTestKept
  await gcUntil(() => externalAllocations().labels[label].liveCount === 0, { name: 'the Buffer of the other file was collected' })

  expect(externalAllocations().labels[label]).toMatchObject({ liveBytes: 0, totalBytes: 2_029, totalCount: 1 })
})

test('no gc() was left behind for later contexts', () => {
  expect(require('node:vm').runInNewContext('typeof gc')).toBe('undefined')
  expect(typeof globalThis.gc).toBe('undefined')
})
