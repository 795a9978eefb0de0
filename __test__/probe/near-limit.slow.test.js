'use strict'

// Probes of a service whose heap is nearly full, up to its death.

const test = require('node:test')
const assert = require('node:assert')
const fs = require('node:fs')
const path = require('node:path')
const { emptyFolder } = require('../helpers/folder.js')
const { countClass } = require('./fixtures/snapshots.js')
const { runFixture } = require('./helpers/node.js')
const { writtenBytesOfFamily } = require('./helpers/written.js')
const { support } = require('../..')

const { available, reason } = support().probe
const skip = available ? false : `no probe here: ${reason}`

test('a service that leaks at a steady rate until it dies of its own OOM leaves a whole snapshot behind', { skip }, async (t) => {
  const directory = emptyFolder(t)
  const { signal, stdout, stderr, said } = await runFixture('integration.js', ['nearTheLimit', directory], { execArgv: ['--max-old-space-size=96'], timeoutMs: 120_000, progress: writtenBytesOfFamily })
  assert.strictEqual(signal, 'SIGABRT', stdout)
  assert.match(stderr, /heap out of memory/)
  // The death came first: the service never heard that the snapshot was written.
  assert.deepStrictEqual(said, { snapshot: 'started' })
  const files = fs.readdirSync(directory)
  assert.strictEqual(files.length, 1, `${files} ${stdout}`)
  assert.match(files[0], /\.heapsnapshot$/)
  assert.strictEqual(countClass(fs.readFileSync(path.join(directory, files[0])), 'KeptByTheService'), 246)
})

test('a probe and a snapshot work near the heap limit', { skip }, async (t) => {
  const directory = emptyFolder(t)
  // At 55 MB of the 64 Node 20 sometimes gives up by itself ("Ineffective mark-compacts"), probe or not.
  const args = [directory, String(50 * 2 ** 20)]
  const { code, signal, stderr, said } = await runFixture('flags.js', args, { execArgv: ['--max-old-space-size=64'], ownPipe: true })
  assert.deepStrictEqual([code, signal], [0, null], stderr)
  assert.strictEqual(said.code, undefined, said.message)
  assert.strictEqual(said.value, 321)
  assert.ok(said.ballast > 1000)
  assert.strictEqual(countClass(fs.readFileSync(path.join(directory, 'a.partial')), 'KeptByTheService'), 321)
})
