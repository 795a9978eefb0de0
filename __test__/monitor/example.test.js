'use strict'

const test = require('node:test')
const assert = require('node:assert')
const fs = require('node:fs')
const path = require('node:path')
const { spawnSync } = require('node:child_process')
const { emptyFolder } = require('../helpers/folder.js')

test('examples/monitor.js notices its leak, writes one snapshot and ends', (t) => {
  const directory = emptyFolder(t)
  const example = path.join(__dirname, '..', '..', 'examples', 'monitor.js')
  const run = spawnSync(process.execPath, [example, directory], { encoding: 'utf8', timeout: 240_000 })
  assert.strictEqual(run.status, 0, run.stderr)
  const [triggered, written, ...rest] = run.stdout.trim().split('\n')
  assert.match(triggered, /^arrayBuffers grew by [\d.]+ MB \(threshold: 20MB in 500 ms\); snapshot: started$/)
  assert.match(written, /-arrayBuffers-growth\.heapsnapshot\.gz: [\d.]+ MB; the thread stood still for \d+ ms$/)
  assert.deepStrictEqual(rest, [])
  assert.strictEqual(fs.readdirSync(directory).length, 1)
})
