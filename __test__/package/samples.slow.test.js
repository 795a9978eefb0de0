'use strict'

// Every sample in JavaScript runs as it stands, in a process of its own: a service on the loopback, a test of jest's in jest, what begins with a
// command line by that command line. And all of them compile with a TypeScript that still has moduleResolution node10.

const test = require('node:test')
const assert = require('node:assert')
const { spawnSync } = require('node:child_process')
const fs = require('node:fs')
const path = require('node:path')
const { runChild } = require('../helpers/child.js')
const { compileSamples } = require('../helpers/compile-samples.js')
const { application, root, scripts } = require('../helpers/samples.js')

const LIMIT_MS = 120_000
const service = path.join(__dirname, 'fixtures', 'on-loopback.cjs')

// TypeScript 7 has no node10 any more; 5.9 was the last line whose default it is. Installed on first use, as the judges of the analysis are.
const TYPESCRIPT_5 = '5.9.3'
const cache = path.join(root, '.cache', 'typescript5')
const compiler = path.join(cache, 'node_modules', 'typescript', 'bin', 'tsc')

function installTypescript5 () {
  if (fs.existsSync(compiler)) return false
  fs.mkdirSync(cache, { recursive: true })
  fs.writeFileSync(path.join(cache, 'package.json'), '{"private":true}\n')
  const { status } = spawnSync('npm', ['install', '--ignore-scripts', '--no-audit', '--no-fund', `typescript@${TYPESCRIPT_5}`], { cwd: cache, timeout: 200_000 })
  return status === 0 ? false : 'TypeScript 5 could not be installed (no registry?); runs wherever npm install does'
}

test('each sample compiles under strict with moduleResolution node10', { skip: installTypescript5() }, async (t) => {
  assert.deepStrictEqual(await compileSamples(t, compiler, { module: 'esnext', moduleResolution: 'node10' }), [])
})

/** The flags and variables of a first line such as `// OFFHEAP_SNAPSHOT_AT=rss:80% node -r offheap/register server.js`. */
function commandLine (source) {
  const words = /^\/\/ ((?:\w+=\S+ )*)node (.*) \S+\.js\n/.exec(source)
  if (words === null) return { env: {}, execArgv: [] }
  return { env: Object.fromEntries(words[1].split(' ').filter(Boolean).map((word) => word.split('='))), execArgv: words[2].split(' ') }
}

/** Files that samples read: heap snapshots of one process. */
async function giveSnapshots (folder) {
  const { code, stderr } = await runChild(`
    const v8 = require('node:v8')
    for (const name of ['server', 'before', 'after']) v8.writeHeapSnapshot(name + '.heapsnapshot')
  `, { cwd: folder, timeoutMs: LIMIT_MS })
  assert.strictEqual(code, 0, stderr)
}

for (const { name, file, source } of scripts().filter(({ isJest }) => !isJest)) {
  test(`the sample in ${name} runs`, async (t) => {
    const folder = application(t)
    fs.writeFileSync(path.join(folder, file), source)
    if (source.includes('.heapsnapshot\'')) await giveSnapshots(folder)
    const { env, execArgv } = commandLine(source)
    const isService = source.includes('.listen(')
    const { code, said, stdout, stderr } = await runChild(path.join(folder, file), {
      cwd: folder,
      timeoutMs: LIMIT_MS,
      execArgv: [...execArgv, ...(isService ? ['-r', service] : [])],
      env: { ...env, DEBUG_TOKEN: 'token', ASK: JSON.stringify(['/debug/memory', ...[...source.matchAll(/app\.get\('(.*?)'/g)].map(([, route]) => route.replace(':id', '7'))]) }
    })

    assert.strictEqual(code, 0, `${stdout}${stderr}`)
    if (!isService) return
    assert.ok(said.length >= 2)
    for (const [route, status, byteLength] of said) assert.ok(status === 200 && byteLength > 100, `${route}: ${status}, ${byteLength} bytes`)
  })
}

test('the samples of jest run in jest', async (t) => {
  const folder = application(t)
  const wanted = scripts().filter(({ isJest }) => isJest)
  for (const { file, source } of wanted) fs.writeFileSync(path.join(folder, file), source)
  // As docs/testing.md has it.
  const [config] = scripts().filter(({ source }) => source.startsWith('// jest.config.js'))
  fs.writeFileSync(path.join(folder, 'jest.config.js'), config.source)
  const { code, stdout, stderr } = await runChild(require.resolve('jest/bin/jest'), {
    args: ['--rootDir', folder, '--testMatch', '**/*.cjs', '--json', '--testTimeout', '60000'],
    cwd: folder,
    timeoutMs: LIMIT_MS
  })

  assert.strictEqual(code, 0, `${stdout}${stderr}`)
  assert.strictEqual(JSON.parse(stdout).numPassedTests, wanted.length)
  assert.ok(wanted.length >= 2)
})
