'use strict'

// What a census says of memory that no object shows.

const assert = require('node:assert')
const path = require('node:path')
const { runChildForJson } = require('../../../helpers/child.js')

const fixture = path.join(__dirname, '..', 'fixtures', 'beyond-objects.js')
const [major] = process.versions.node.split('.').map(Number)

// What Node itself makes meanwhile: tens of bytes were seen.
const NOISE_BYTES = 2_048

/** By how much each kind of the fixture moves `nativelyHeldBytes` and `externalStringBytes`; `null`: there is no figure. */
const expected = {
  objects: ['what objects hold, of whatever kind and realm, and garbage are neither held natively nor strings', 0, 0],
  received: ['an ArrayBuffer that was received is an object again', 0, 0],
  transferred: ['an ArrayBuffer that nobody has received yet is held natively', 4_000_037, 0],
  blob: ['what a Blob holds is held natively', 3_000_001, 0],
  oneByteString: ['a large string that a Buffer became is outside the heap', 0, 7_000_003],
  twoByteString: ['one of two bytes a character counts half on Node 26, as V8 counts it', 0, major >= 26 ? 4_000_005 : 8_000_010],
  resizable: ['beside a resizable ArrayBuffer there is no figure for strings on Node 20 and 22', 0, major >= 24 ? 0 : null]
}

/** A test's title and function for each kind, in this way of taking a census. */
function beyondObjects (mode) {
  const taken = runChildForJson(fixture, { args: [mode, Object.keys(expected).join()], execArgv: ['--no-warnings'] })
  // Awaited by each test: the first one fails with it, not the process.
  taken.catch(() => {})
  const tests = Object.entries(expected).map(([kind, [title, natively, strings]]) => [`${title} (${mode})`, async () => {
    const { [kind]: seen } = await taken
    assert.strictEqual(seen.taken, mode)
    close(seen.natively, natively, 'nativelyHeldBytes')
    close(seen.strings, strings, 'externalStringBytes')
  }])
  tests.push([`where memory from another thread outweighs it, what is held natively is not known (${mode})`, async () => {
    const { fromAnotherThread: { nativelyHeldBytes, arrayBuffers, byteLength } } = await taken
    assert.ok(arrayBuffers < byteLength)
    assert.strictEqual(nativelyHeldBytes, null)
  }])
  return tests
}

function close (grown, bytes, figure) {
  if (bytes === null) assert.strictEqual(grown, null, figure)
  else assert.ok(grown !== null && Math.abs(grown - bytes) <= NOISE_BYTES, `${figure} grew by ${grown}, expected ${bytes}`)
}

module.exports = { beyondObjects }
