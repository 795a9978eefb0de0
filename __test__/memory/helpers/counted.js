'use strict'

// How V8's and Node's counters change while something is made and kept.

const assert = require('node:assert')
const { memory } = require('../../../index.js')
const { settledReading } = require('../../helpers/settle.js')

/** The four counters, when they no longer change. */
function counters () {
  return settledReading(() => {
    const { external, arrayBuffers, declaredExternalBytes: declared, globalHandlesBytes: handles } = memory()
    return { external, arrayBuffers, declared, handles }
  })
}

/** How the counters change while `make` makes something and keeps it. */
async function counted (make) {
  const before = await counters()
  const kept = make()
  const after = await counters()
  return { ...Object.fromEntries(Object.keys(before).map((name) => [name, after[name] - before[name]])), kept }
}

/**
 * Compares with the growth of the counters named. The test runner allocates and frees Buffers of its own meanwhile, so it allows for
 * 16 KiB of them; what the tests allocate is megabytes.
 */
function close (grown, expected) {
  for (const [name, bytes] of Object.entries(expected)) {
    assert.ok(Math.abs(grown[name] - bytes) < 16_384, `${name} grew by ${grown[name]}, expected ${bytes}`)
  }
}

module.exports = { close, counted, counters }
