'use strict'

// Runs the node:test suites, one process per file. Arguments: paths of files or folders to run (default: all).
// Files called *.slow.test.js (stress, memory cgroups, what takes long) are left out unless they are named; `--slow` runs them alone,
// `--all` as well. Of the others one more than there are cores run at a time, for some wait; files called *.alone.test.js (what judges how fast
// something is, or what a whole machine has) run one at a time after them, and so do the slow ones.
// NODE_UNDER_TEST names the Node binary to run them with (default: this one); scripts/test-matrix.js sets it.
// Where CI is set, a file that failed is run once more, alone, and what passed only then is named at the end: a shared
// machine can starve a test, and Node has crashes of its own, but neither may go unseen.

const { spawnSync } = require('node:child_process')
const fs = require('node:fs')
const os = require('node:os')
const path = require('node:path')

const root = path.join(__dirname, '..')
const isSlow = process.argv.includes('--slow')
const isAll = process.argv.includes('--all')
const wanted = process.argv.slice(2).filter((argument) => argument !== '--slow' && argument !== '--all')
const files = (wanted.length > 0 ? wanted.map((name) => path.resolve(name)) : [path.join(root, '__test__')])
  .flatMap(testFiles)
  .sort()
if (files.length === 0) {
  process.stderr.write('no test file found\n')
  process.exit(1)
}

const node = process.env.NODE_UNDER_TEST ?? process.execPath
const isAlone = (file) => /\.(alone|slow)\.test\.js$/.test(file)
const runs = [[files.filter((file) => !isAlone(file)), os.availableParallelism() + 1], [files.filter(isAlone), 1]]
  .filter(([paths]) => paths.length > 0)
  .map(([paths, concurrency]) => run(paths, concurrency))
const failed = runs.flatMap((ended) => ended.failed)
const status = runs.find((ended) => ended.status !== 0)?.status ?? 0
if (status === 0) process.exit(0)
if (!process.env.CI || failed.length === 0) process.exit(status)

process.stdout.write(`\n# Failed, and run once more, alone:\n${failed.map((file) => `#   ${file}\n`).join('')}`)
const again = failed.map((file) => ({ file, status: run([file], 1).status }))
for (const { file, status } of again) process.stdout.write(`# ${status === 0 ? 'FLAKY, passed the second time' : 'FAILED twice'}: ${file}\n`)
process.exit(again.every(({ status }) => status === 0) ? 0 : 1)

/** Runs the suites in `paths`, `concurrency` files at a time, and says in which files something failed. */
function run (paths, concurrency) {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'offheap-tests-'))
  const list = path.join(folder, 'failed')
  try {
    const { status } = spawnSync(node, [
      // On Node 20 and 22 the limit is for a file, not for a test; what hangs has limits of its own in the helpers.
      '--expose-gc', '--test', '--test-timeout=900000', `--test-concurrency=${concurrency}`,
      `--test-reporter=${process.stdout.isTTY ? 'spec' : 'tap'}`, '--test-reporter-destination=stdout',
      `--test-reporter=${path.join(__dirname, 'failed-files.mjs')}`, `--test-reporter-destination=${list}`,
      `--test-reporter=${path.join(__dirname, 'slowest-files.mjs')}`, '--test-reporter-destination=stdout',
      ...paths
    ], { cwd: root, stdio: 'inherit' })
    const failed = fs.existsSync(list) ? fs.readFileSync(list, 'utf8').split('\n').filter((file) => paths.includes(file)) : []
    return { status: status ?? 1, failed }
  } finally {
    fs.rmSync(folder, { recursive: true, force: true })
  }
}

function testFiles (name) {
  if (fs.statSync(name).isFile()) return [name]
  // A folder with its own package.json (the jest project) is run by its own runner.
  return fs.readdirSync(name, { withFileTypes: true })
    .filter((entry) => entry.name !== 'node_modules' && entry.name !== 'fixtures' && entry.name !== 'helpers')
    .filter((entry) => !entry.isDirectory() || !fs.existsSync(path.join(name, entry.name, 'jest.config.js')))
    .flatMap((entry) => {
      const full = path.join(name, entry.name)
      if (entry.isDirectory()) return testFiles(full)
      if (!entry.name.endsWith('.test.js')) return []
      return isAll || entry.name.endsWith('.slow.test.js') === isSlow ? [full] : []
    })
}
