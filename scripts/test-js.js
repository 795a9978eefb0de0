'use strict'

// Runs the node:test suites, one process per file. Arguments: paths of files or folders to run (default: all).
// NODE_UNDER_TEST names the Node binary to run them with (default: this one); scripts/test-matrix.js sets it.

const { spawnSync } = require('node:child_process')
const fs = require('node:fs')
const path = require('node:path')

const root = path.join(__dirname, '..')
const wanted = process.argv.slice(2)
const files = (wanted.length > 0 ? wanted.map((name) => path.resolve(name)) : [path.join(root, '__test__')])
  .flatMap(testFiles)
  .sort()
if (files.length === 0) {
  process.stderr.write('no test file found\n')
  process.exit(1)
}

const node = process.env.NODE_UNDER_TEST ?? process.execPath
const run = spawnSync(node, ['--expose-gc', '--test', '--test-timeout=300000', ...files], { cwd: root, stdio: 'inherit' })
process.exit(run.status ?? 1)

function testFiles (name) {
  if (fs.statSync(name).isFile()) return [name]
  // A folder with its own package.json (the jest project) is run by its own runner.
  return fs.readdirSync(name, { withFileTypes: true })
    .filter((entry) => entry.name !== 'node_modules' && entry.name !== 'fixtures' && entry.name !== 'helpers')
    .filter((entry) => !entry.isDirectory() || !fs.existsSync(path.join(name, entry.name, 'jest.config.js')))
    .flatMap((entry) => {
      const full = path.join(name, entry.name)
      if (entry.isDirectory()) return testFiles(full)
      return entry.name.endsWith('.test.js') ? [full] : []
    })
}
