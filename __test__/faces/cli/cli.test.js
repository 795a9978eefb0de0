'use strict'

const test = require('node:test')
const assert = require('node:assert')
const { spawnSync } = require('node:child_process')
const fs = require('node:fs')
const path = require('node:path')
const zlib = require('node:zlib')
const { fit, path: pathOf } = require('../../../lib/faces/cli/fit.js')
const { progressBar } = require('../../../lib/faces/cli/progress.js')
const { Sketch, file, leakySketch, temporaryFolder } = require('../../heap/analysis/helpers/sketch.js')

const command = path.join(__dirname, '..', '..', '..', 'lib', 'faces', 'cli', 'offheap.js')

function offheap (args, { input } = {}) {
  const run = spawnSync(process.execPath, [command, ...args], { encoding: 'utf8', input: input ?? '', timeout: 240_000 })
  assert.strictEqual(run.signal, null)
  return run
}

test('analyze says where the memory is, aligned, in plain text when piped', (t) => {
  const { status, stdout, stderr } = offheap(['analyze', file(t, leakySketch().json())])

  assert.strictEqual(status, 0)
  assert.strictEqual(stderr, '')
  assert.ok(!stdout.includes('\u001b'))
  assert.match(stdout, / {2}23 objects, 26 references, 13\.2 kB, of which 4\.1 kB in 1 backing stores\n/)
  assert.match(stdout, /\n {2}class +count +shallow +retained +heaviest path\n/)
  assert.match(stdout, /\n {2}Session +3 +144 B +4\.5 kB +34 % +global\.sessions \(Map\) entry \(Session\)\n/)
  assert.match(stdout, /\n +4\.1 kB +1 +global\.sessions \(Map\) entry \(Session\)\.buffer \(Buffer\)\n/)
  assert.match(stdout, /\n {2}handler +1 +8\.3 kB +server\.js:42:10\n/)
})

test('--json gives what the function gives', async (t) => {
  const snapshot = file(t, leakySketch().json())
  const { durationMs: _, ...wanted } = await require('../../../analysis.js').analyzeHeapSnapshot(snapshot, { top: 3 })
  const { durationMs: __, ...result } = JSON.parse(offheap(['analyze', snapshot, '--top', '3', '--json']).stdout)

  assert.deepStrictEqual(result, wanted)
})

test('standard input is read under the name -, plain or gzip', () => {
  const text = leakySketch().json()
  for (const input of [text, zlib.gzipSync(text)]) {
    const { status, stdout } = offheap(['analyze', '-', '--json'], { input })
    assert.strictEqual(status, 0)
    assert.strictEqual(JSON.parse(stdout).nodeCount, 23)
  }
})

test('diff names the new objects and what holds them', (t) => {
  const grown = leakySketch()
  for (let index = 0; index < 5; index++) grown.edge(5, 'internal', String(7 + 2 * index), grown.node('object', 'Session', 48))
  const { status, stdout } = offheap(['diff', file(t, leakySketch().json()), file(t, grown.json())])

  assert.strictEqual(status, 0)
  assert.match(stdout, /\n {2}Session +5 +0 +\+5 +\+240 B +\+240 B\n/)
  assert.match(stdout, /\nWhat has grown, by what holds it\n {2}\+240 B {2}5 new Session\n {10}global\.sessions \(Map\) entry \(Session\)\n/)
})

test('retainers shows one object from the root down', (t) => {
  const { status, stdout } = offheap(['retainers', file(t, leakySketch().json()), '--id', '21'])

  assert.strictEqual(status, 0)
  assert.match(stdout, /^"ada" @21\n/)
  assert.match(stdout, /\n {2}property user → User @19\n {2}property name → ada @21\n/)
  assert.match(stdout, /\nRetainers \(1 of 1\)\n/)
})

test('redact writes a copy without values', (t) => {
  const out = `${temporaryFolder(t)}/redacted.heapsnapshot`
  const { status, stdout } = offheap(['redact', file(t, leakySketch().json()), out])

  assert.strictEqual(status, 0)
  assert.match(stdout, /strings redacted/)
  assert.ok(!fs.readFileSync(out, 'utf8').includes('"ada"'))
})

test('a failure goes to standard error with its code, and the exit code is 1', (t) => {
  const { status, stdout, stderr } = offheap(['analyze', file(t, '{"snapshot":')])

  assert.deepStrictEqual([status, stdout], [1, ''])
  assert.match(stderr, /^offheap: .* ends at byte 12 in .*\(ERR_OFFHEAP_SNAPSHOT_TRUNCATED\)\n$/)
})

test('wrong usage shows the usage, and the exit code is 2', () => {
  for (const args of [[], ['analyse', 'x'], ['analyze'], ['analyze', 'x', 'y'], ['diff', 'x'], ['retainers', 'x'], ['analyze', 'x', '--top', '-1'],
    ['analyze', 'x', '--top', 'many'], ['analyze', 'x', '--salt', 'y'], ['analyze', 'x', '--wrong'], ['analyze', 'x', '--top', '0'], ['constructor', 'x']]) {
    const { status, stdout } = offheap(args)
    assert.deepStrictEqual([args, status, stdout], [args, 2, ''])
  }
})

test('a misspelt command names the near one', () => {
  assert.match(offheap(['analyse', 'x']).stderr, /^offheap: unknown command "analyse"; did you mean "analyze"\?\n/)
  assert.match(offheap(['nonsense']).stderr, /^offheap: unknown command "nonsense"\n/)
})

test('with --json a failure is JSON too, and a reason of the system has no number', () => {
  for (const [args, status, code] of [[['analyze', '/nonexistent', '--json'], 1, 'ERR_OFFHEAP_SNAPSHOT_READ_FAILED'], [['analyze', '--json'], 2, 'ERR_INVALID_ARG_VALUE']]) {
    const run = offheap(args)
    assert.deepStrictEqual([run.status, run.stderr], [status, ''])
    const { error } = JSON.parse(run.stdout)
    assert.strictEqual(error.code, code)
    assert.ok(error.message.length > 0)
  }
  assert.strictEqual(offheap(['analyze', '/nonexistent']).stderr, 'offheap: Could not open /nonexistent: No such file or directory (ERR_OFFHEAP_SNAPSHOT_READ_FAILED)\n')
})

test('one file of a diff may be standard input', (t) => {
  const text = leakySketch().json()
  const snapshot = file(t, text)
  for (const args of [['diff', '-', snapshot], ['diff', snapshot, '-']]) {
    const { status, stdout, stderr } = offheap([...args, '--json'], { input: text })
    assert.strictEqual(status, 0, stderr)
    assert.strictEqual(JSON.parse(stdout).after.nodeCount, 23)
  }
  assert.strictEqual(offheap(['diff', '-', '-']).status, 2)
})

test('redact writes to standard output under the name -', (t) => {
  const { status, stdout } = offheap(['redact', file(t, leakySketch().json()), '-'])

  assert.strictEqual(status, 0)
  assert.strictEqual(JSON.parse(stdout).snapshot.node_count, 23)
  assert.ok(!stdout.includes('"ada"'))
  assert.ok(!fs.existsSync('-'))
})

test('an id may have its @', (t) => {
  const snapshot = file(t, leakySketch().json())
  assert.strictEqual(offheap(['retainers', snapshot, '--id', '@21']).stdout, offheap(['retainers', snapshot, '--id', '21']).stdout)
})

test('an output that cannot be written is an error', { skip: fs.existsSync('/dev/full') ? false : 'no /dev/full' }, (t) => {
  const run = spawnSync('sh', ['-c', `'${process.execPath}' '${command}' analyze '${file(t, leakySketch().json())}' > /dev/full`], { encoding: 'utf8', timeout: 240_000 })
  assert.strictEqual(run.status, 1)
  assert.match(run.stderr, /^offheap: standard output could not be written: .*ENOSPC/)
})

test('FORCE_COLOR colours what is no terminal', (t) => {
  const run = spawnSync(process.execPath, [command, 'analyze', file(t, leakySketch().json())], { encoding: 'utf8', timeout: 240_000, env: { ...process.env, FORCE_COLOR: '1', NO_COLOR: '' } })
  assert.ok(run.stdout.includes('\u001b[1m'))
})

test('a line with a path keeps the end of the path, which says what holds the object', () => {
  const line = `  17 MB  ${pathOf('global.clearTimeout → variable timers → variable cache (Map)')} @7`
  assert.strictEqual(fit(line, 100), '  17 MB  global.clearTimeout → variable timers → variable cache (Map) @7')
  assert.strictEqual(fit(line, undefined), '  17 MB  global.clearTimeout → variable timers → variable cache (Map) @7')
  assert.strictEqual(fit(line, 40), '  17 MB  …mers → variable cache (Map) @7')
  // Where there is no room for a path, the line loses its end.
  assert.strictEqual(fit(line, 20), '  17 MB  global.cle…')
})

test('lines are cut to the width of the terminal, colours aside', () => {
  const text = '\u001b[1mabcdef\u001b[22mgh\nshort\nu\u0308u\u0308u\u0308u\u0308u\u0308u\u0308'
  assert.strictEqual(fit(text, 6), '\u001b[1mabcde…\u001b[0m\nshort\nu\u0308u\u0308u\u0308u\u0308u\u0308u\u0308')
  assert.strictEqual(fit(text, 8), text)
  assert.strictEqual(fit(text, undefined), text)
})

test('--help and --version need nothing else', () => {
  assert.match(offheap(['--help']).stdout, /^Usage:\n {2}offheap analyze FILE/)
  assert.strictEqual(offheap(['--version']).stdout, `${require('../../../package.json').version}\n`)
})

test('control characters of a snapshot do not reach the terminal', (t) => {
  const sketch = new Sketch()
  sketch.edge(0, 'shortcut', '1', sketch.node('object', 'global', 8)).edge(1, 'property', 'x', sketch.node('object', 'Evil\u001b[31m\u0007\u202e', 99))
  const { stdout } = offheap(['analyze', file(t, sketch.json())])

  assert.match(stdout, /Evil\\x1b\[31m\\x07\\x202e/)
  // eslint-disable-next-line no-control-regex
  assert.doesNotMatch(stdout, /[\u001b\u0007\u202e]/)
})

test('a terminal gets colours; NO_COLOR leaves them out', { skip: spawnSync('script', ['--version']).status === 0 ? false : 'needs the command script(1) for a terminal' }, (t) => {
  const snapshot = file(t, leakySketch().json())
  const terminal = (env) => spawnSync('script', ['-qec', `'${process.execPath}' '${command}' analyze '${snapshot}'`, '/dev/null'], { encoding: 'utf8', timeout: 240_000, env: { ...process.env, TERM: 'xterm', ...env } }).stdout
  const coloured = terminal({ NO_COLOR: '' })

  assert.ok(coloured.includes('\u001b[1mSuspects') || coloured.includes('\u001b[1mClasses'))
  const plain = terminal({ NO_COLOR: '1' })
  assert.ok(plain.includes('Classes by retained size'))
  assert.ok(!plain.includes('\u001b[1m'))
})

test('a progress bar is drawn on a terminal, taken away at the end, and absent elsewhere', () => {
  const written = []
  const bar = progressBar({ isTTY: true, write: (text) => written.push(text) })
  bar.onProgress({ phase: 'read', fraction: 0.5 })
  bar.done()

  assert.deepStrictEqual(written, [`\r\u001b[K${'█'.repeat(15)}${'░'.repeat(15)} reading`, '\r\u001b[K'])
  assert.strictEqual(progressBar({ isTTY: undefined }).onProgress, undefined)
})
