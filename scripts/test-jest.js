'use strict'

// Runs the jest project in __test__/faces/jest: in a worker process, in a worker thread, without globals, and with --detectLeaks.
// What only the slow group has (the same again in a worker thread, and a census of jest's heap) is left out without `--slow` or `--all`.
// NODE_UNDER_TEST names the Node binary to run it with (default: this one).

const { spawnSync } = require('node:child_process')
const path = require('node:path')

const root = path.join(__dirname, '..')
const project = path.join(root, '__test__', 'faces', 'jest')
const node = process.env.NODE_UNDER_TEST ?? process.execPath
const jest = require.resolve('jest/bin/jest')

const isSlow = process.argv.includes('--slow')
const isAll = process.argv.includes('--all')

const runs = [
  { name: 'in a worker process', workers: 'processes', args: [] },
  { name: 'in a worker thread', workers: 'threads', args: [], slow: true },
  { name: 'with a census of its heap', workers: 'processes', args: ['--testMatch', '**/buffer-growth.slow.js'], slow: true },
  { name: 'without globals', workers: 'processes', args: ['--injectGlobals=false', '--testMatch', '**/without-globals.js'] },
  { name: 'with --detectLeaks', workers: 'processes', args: ['--detectLeaks', 'no-sandbox-leak'] },
  { name: 'with --detectLeaks, on a planted leak: has to fail', workers: 'processes', args: ['--detectLeaks', '--testMatch', '**/planted.leaky.js'], fails: 'is leaking memory' }
].filter(({ slow = false }) => isAll || slow === isSlow)

for (const { name, workers, args, fails } of runs) {
  process.stdout.write(`\n# jest ${name}\n`)
  const run = spawnSync(node, [jest, '--rootDir', project, '--config', path.join(project, 'jest.config.js'), ...args], {
    cwd: project,
    stdio: fails === undefined ? 'inherit' : 'pipe',
    encoding: 'utf8',
    env: { ...process.env, OFFHEAP_JEST_WORKERS: workers },
    timeout: 600_000
  })
  if (fails === undefined) {
    if (run.status !== 0) process.exit(run.status ?? 1)
  } else if (run.status !== 1 || !run.stderr.includes(fails)) {
    process.stderr.write(`ended with ${run.signal ?? run.status}, and was to fail with "${fails}"\n${run.stdout}${run.stderr}`)
    process.exit(1)
  } else {
    process.stdout.write('failed, as it has to\n')
  }
}
