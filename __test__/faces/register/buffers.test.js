'use strict'

const test = require('node:test')
const assert = require('node:assert')
const path = require('node:path')
const { readVariables } = require('../../../lib/faces/register/variables.js')
const { runChild } = require('../../helpers/child.js')
const { emptyFolder } = require('../../helpers/folder.js')

const root = path.join(__dirname, '..', '..', '..')
const register = path.join(root, 'lib', 'faces', 'register.js')

const REPORT = `
  const { memory } = require(${JSON.stringify(root)})
  const registration = require(${JSON.stringify(register)})
  const report = () => ({ tracking: registration.bufferTracking !== null, monitor: registration.monitor !== null, coverage: memory().bufferPool.coverage })
`

async function run (script, { env = {}, execArgv = ['-r', register], ...more } = {}) {
  const { code, stdout, stderr } = await runChild(`\n${REPORT}\n${script}`, { env, execArgv, ...more })
  assert.strictEqual(code, 0, stderr)
  return { ...JSON.parse(stdout), stderr }
}

const SAY = 'console.log(JSON.stringify(report()))'

test('by default it samples Buffers and starts nothing else', async () => {
  for (const execArgv of [['-r', register], ['--import', `file://${register}`]]) {
    assert.deepStrictEqual(await run(SAY, { execArgv }), { tracking: true, monitor: false, coverage: 'full', stderr: '' })
  }
})

test('OFFHEAP_TRACK_BUFFERS switches sampling off, or gives the interval', async () => {
  for (const value of ['0', 'false', 'OFF']) {
    assert.deepStrictEqual(await run(SAY, { env: { OFFHEAP_TRACK_BUFFERS: value } }), { tracking: false, monitor: false, coverage: 'partial', stderr: '' })
  }
  for (const [value, bytes] of [['2MB', 2_000_000], ['2MiB', 2 * 2 ** 20], ['123457B', 123_457], [' on ', 524_288], ['', 524_288]]) {
    const { interval } = await run(`console.log(JSON.stringify({ interval: require(${JSON.stringify(root)}).bufferProfile().sampleIntervalBytes }))`, { env: { OFFHEAP_TRACK_BUFFERS: value } })
    assert.strictEqual(interval, bytes)
  }
})

test('OFFHEAP_SNAPSHOT_AT starts a Monitor that writes where OFFHEAP_SNAPSHOT_DIR says', async (t) => {
  const folder = emptyFolder(t)
  const { file: written } = await run(`
    const { monitor } = registration
    monitor.on('snapshotWritten', ({ file }) => { console.log(JSON.stringify({ file })); registration.stop(); clearInterval(alive) })
    const alive = setInterval(() => {}, 1000)
    monitor.sample()
    monitor.sample()
  `, { env: { OFFHEAP_SNAPSHOT_AT: 'rss:1MB, heapUsed: 99%', OFFHEAP_SNAPSHOT_DIR: folder } })

  assert.strictEqual(path.dirname(written), folder)
})

test('OFFHEAP_SNAPSHOT_SIGNAL alone is enough for one', async () => {
  const { monitor, listeners } = await run(`
    console.log(JSON.stringify({ ...report(), listeners: process.listenerCount('SIGUSR2') }))
  `, { env: { OFFHEAP_SNAPSHOT_SIGNAL: 'SIGUSR2' } })

  assert.deepStrictEqual([monitor, listeners], [true, 1])
})

test('the warning about a wrong threshold names that threshold, with a code', () => {
  const problemsOf = (value) => {
    const { thresholds, problems } = readVariables({ OFFHEAP_SNAPSHOT_AT: value })
    return [thresholds, problems]
  }
  for (const value of ['rss', 'rss:', ':80%', 'rss:80%:1', 'rss:80', 'cgroupWorkingSetBytes:0.8']) {
    const [thresholds, problems] = problemsOf(`${value},heapUsed:90%`)
    assert.deepStrictEqual(thresholds, [{ metric: 'heapUsed', limit: '90%', text: 'heapUsed:90%' }])
    assert.deepStrictEqual(problems.map(({ code }) => code), ['ERR_INVALID_ARG_VALUE'])
    assert.ok(problems[0].message.startsWith(`OFFHEAP_SNAPSHOT_AT: "${value}" is not used. `), problems[0].message)
  }
  assert.deepStrictEqual(problemsOf('references:100')[0], [{ metric: 'references', limit: 100, text: 'references:100' }])
})

test('a threshold without a sensible value is a warning with its code, and the others are used', async () => {
  const { stderr, ...state } = await run(SAY, { env: { OFFHEAP_SNAPSHOT_AT: 'rss:much,rssx:80%,rss:101%,__proto__:5MB' } })
  assert.deepStrictEqual(state, { tracking: true, monitor: false, coverage: 'full' })
  assert.strictEqual(stderr.match(/\[ERR_(INVALID_ARG_VALUE|OUT_OF_RANGE)\] OffheapWarning: offheap\/register: OFFHEAP_SNAPSHOT_AT: "[^"]*" is not used/g)?.length, 4, stderr)
})

test('one wrong value does not disable the right ones, nor the defaults', async () => {
  const { stderr, thresholds, listeners, ...state } = await run(`
    console.log(JSON.stringify({ ...report(), listeners: process.listenerCount('SIGUSR2') }))
  `, { env: { OFFHEAP_TRACK_BUFFERS: 'many', OFFHEAP_ADDONS: 'perhaps', OFFHEAP_SNAPSHOT_AT: 'rss:banana,heapUsed:90%', OFFHEAP_SNAPSHOT_SIGNAL: 'USR2' } })

  assert.deepStrictEqual([state, listeners], [{ tracking: true, monitor: true, coverage: 'full' }, 1])
  for (const text of ['OFFHEAP_TRACK_BUFFERS: "many"', 'OFFHEAP_ADDONS: "perhaps"', 'OFFHEAP_SNAPSHOT_AT: "rss:banana"']) assert.ok(stderr.includes(text), stderr)
  assert.doesNotMatch(stderr, /heapUsed|SIGNAL/)
})

test('with a wrong threshold the signal still writes a snapshot, and one line says where', async (t) => {
  const folder = emptyFolder(t)
  const { code, stderr } = await runChild(`
    const registration = require(${JSON.stringify(register)})
    const alive = setInterval(() => {}, 1000)
    registration.monitor.once('snapshotWritten', () => { registration.stop(); clearInterval(alive) })
    process.kill(process.pid, 'SIGUSR2')
  `, { execArgv: ['-r', register], env: { OFFHEAP_SNAPSHOT_AT: 'rss:80', OFFHEAP_SNAPSHOT_SIGNAL: 'usr2', OFFHEAP_SNAPSHOT_DIR: folder } })

  assert.strictEqual(code, 0, stderr)
  const [name] = require('node:fs').readdirSync(folder)
  assert.match(stderr, new RegExp(`^offheap: heap snapshot ${path.join(folder, name)}, [\\d.]+ [kM]B, the thread paused [\\d.]+ ms$`, 'm'))
})

test('a threshold about addons watches them, whatever OFFHEAP_ADDONS says', async () => {
  for (const value of ['references:100', 'addonExternalBytes:64MB']) {
    const { stderr, monitor } = await run(SAY, { env: { OFFHEAP_ADDONS: '0', OFFHEAP_SNAPSHOT_AT: value } })
    assert.deepStrictEqual([monitor, stderr], [true, ''], value)
  }
})

test('a wrong signal leaves the thresholds on', async () => {
  const { stderr, monitor } = await run(SAY, { env: { OFFHEAP_SNAPSHOT_AT: 'rss:99%', OFFHEAP_SNAPSHOT_SIGNAL: 'SIGTERM' } })
  assert.strictEqual(monitor, true)
  assert.match(stderr, /OFFHEAP_SNAPSHOT_SIGNAL: "SIGTERM" is not used/)
})

test('a variable that is not known, or does nothing, is a warning', async () => {
  const { stderr } = await run(SAY, { env: { OFFHEAP_SNAPSHOT_DIRECTORY: '/tmp', OFFHEAP_TRACKBUFFERS: '0', OFFHEAP_SNAPSHOT_DIR: '/tmp' } })
  for (const text of ['OFFHEAP_SNAPSHOT_DIRECTORY is not known; did you mean OFFHEAP_SNAPSHOT_DIR?', 'did you mean OFFHEAP_TRACK_BUFFERS?', 'OFFHEAP_SNAPSHOT_DIR does nothing without']) {
    assert.ok(stderr.includes(text), stderr)
  }
})

test('a directory that cannot be written to is a warning when the service starts', async () => {
  const { stderr } = await run(SAY, { env: { OFFHEAP_SNAPSHOT_AT: 'rss:99%', OFFHEAP_SNAPSHOT_DIR: path.join(__filename, 'inside') } })
  assert.match(stderr, /\[ERR_OFFHEAP_SNAPSHOT_WRITE_FAILED\] OffheapWarning: offheap: no heap snapshot can be written to .*inside: a part of the path is not a directory/)
})

test('two loads, from two places, are one registration', async () => {
  assert.deepStrictEqual(await run(`
    const first = registration
    delete require.cache[${JSON.stringify(register)}]
    console.log(JSON.stringify({ same: require(${JSON.stringify(register)}) === first }))
  `, { execArgv: ['-r', register, '--import', `file://${register}`] }), { same: true, stderr: '' })
})

test('workers sample too and start no Monitor', async () => {
  const { stderr, ...state } = await run(`
    const { Worker, isMainThread, parentPort } = require('node:worker_threads')
    const worker = new Worker(${JSON.stringify(`${REPORT}\nrequire('node:worker_threads').parentPort.postMessage(report())`)}, { eval: true })
    worker.on('message', (message) => console.log(JSON.stringify(message)))
  `, { env: { OFFHEAP_SNAPSHOT_AT: 'rss:99%' } })

  assert.deepStrictEqual(state, { tracking: true, monitor: false, coverage: 'full' })
})

test('stop() ends all of it', async () => {
  assert.deepStrictEqual(await run(`
    const { from } = Buffer
    registration.stop()
    registration.stop()
    console.log(JSON.stringify({ wrapped: from === Buffer.from, coverage: report().coverage, listeners: process.listenerCount('SIGUSR2') }))
  `, { env: { OFFHEAP_SNAPSHOT_SIGNAL: 'SIGUSR2' } }), { wrapped: false, coverage: 'partial', listeners: 0, stderr: '' })
})

test('where the addon does not load the process starts, with a warning', async (t) => {
  const folder = emptyFolder(t)
  const fs = require('node:fs')
  for (const part of ['index.js', 'lib', 'package.json']) fs.cpSync(path.join(root, part), path.join(folder, part), { recursive: true })
  const { code, stdout, stderr } = await runChild('\nconsole.log("started")', { execArgv: ['-r', path.join(folder, 'lib', 'faces', 'register.js')] })

  assert.deepStrictEqual([code, stdout], [0, 'started\n'])
  assert.match(stderr, /\[ERR_OFFHEAP_BINDING_LOAD_FAILED\] OffheapWarning/)
})

test('without a reader of stderr the line is left out, and the service lives, also when it does not ignore SIGPIPE', { skip: process.platform === 'linux' ? false : 'needs /proc' }, async (t) => {
  const script = `
    const registration = require(${JSON.stringify(register)})
    // Not ignored any more.
    const listener = () => {}
    process.on('SIGPIPE', listener).off('SIGPIPE', listener)
    const alive = setInterval(() => {}, 1000)
    registration.monitor.once('snapshotWritten', () => setImmediate(() => {
      registration.stop()
      clearInterval(alive)
      console.log('lives')
    }))
    process.kill(process.pid, 'SIGUSR2')
  `
  // A pipe whose reader has ended before the first byte.
  const { code, stdout } = await runChild(script, { command: ['/bin/sh', '-c', '{ "$0" "$@" 2>&1 >&3 | true; } 3>&1', '/usr/bin/env', 'sh', '-c', 'sleep 0.5; exec "$0" "$@"'], execArgv: ['-r', register], env: { OFFHEAP_SNAPSHOT_SIGNAL: 'SIGUSR2', OFFHEAP_SNAPSHOT_DIR: emptyFolder(t) }, mayBeKilled: true })

  assert.deepStrictEqual([code, stdout], [0, 'lives\n'])
})
