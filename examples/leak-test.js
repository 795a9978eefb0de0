'use strict'

// A leak test with node:test's assertions and without a runner: one upload handler that is clean, one that leaks.
// Run it with `node examples/leak-test.js`; it takes a second or two and ends with code 0 when it found what it should.

const assert = require('node:assert')
const { track } = require('offheap')
const { expectNoExternalGrowth } = require('offheap/testing')

const THUMBNAIL_BYTES = 48_000

const recent = new Map()

function thumbnail (id) {
  return track(Buffer.alloc(THUMBNAIL_BYTES, id), { label: 'thumbnails' })
}

// Keeps the newest ten.
function cleanHandler (id) {
  recent.set(id, thumbnail(id))
  if (recent.size > 10) recent.delete(recent.keys().next().value)
}

// Meant to do the same, and forgets to delete.
function leakyHandler (id) {
  recent.set(id, thumbnail(id))
}

async function main () {
  let id = 0

  const { figures } = await expectNoExternalGrowth(() => cleanHandler(id++), { label: 'thumbnails' })
  const [{ blockBytes }] = figures
  console.log(`clean: 100 calls and 100 more left ${blockBytes[0]} and ${blockBytes[1]} bytes behind\n`)

  const error = await expectNoExternalGrowth(() => leakyHandler(id++)).catch((error) => error)
  console.log(`leaky: ${error.code}\n${error.message}`)
  assert.strictEqual(error.code, 'ERR_OFFHEAP_EXTERNAL_GROWTH')
  const leak = error.growth.figures.find(({ label }) => label === 'thumbnails')
  assert.strictEqual(leak.bytesPerIteration, THUMBNAIL_BYTES)
}

main().catch((error) => {
  console.error(error)
  process.exitCode = 1
})
