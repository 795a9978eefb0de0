'use strict'

// Tries all interleavings of what is read without a lock, with loom: the tests called `models`. Takes half a minute to build, in a
// folder of its own, and a moment to run.

const { spawnSync } = require('node:child_process')
const path = require('node:path')

const root = path.join(__dirname, '..')
const run = spawnSync('cargo', ['test', '--quiet', '--lib', '--', 'models'], {
  cwd: root,
  stdio: 'inherit',
  env: { ...process.env, RUSTFLAGS: `${process.env.RUSTFLAGS ?? ''} --cfg loom`.trim(), CARGO_TARGET_DIR: path.join(root, 'target', 'loom') }
})
process.exit(run.status ?? 1)
