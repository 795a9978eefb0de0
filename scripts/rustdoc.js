'use strict'

// Builds the Rust documentation, private items included, and fails on any warning.

const { spawnSync } = require('node:child_process')
const path = require('node:path')

const run = spawnSync('cargo', ['doc', '--no-deps', '--document-private-items', '--quiet'], {
  cwd: path.join(__dirname, '..'),
  stdio: 'inherit',
  env: { ...process.env, RUSTDOCFLAGS: '-D warnings' }
})
process.exit(run.status ?? 1)
