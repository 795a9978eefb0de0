'use strict'

const test = require('node:test')
const assert = require('node:assert')
const path = require('node:path')
const { runChild } = require('../helpers/child.js')
const { emptyFolder } = require('../helpers/folder.js')

const root = path.join(__dirname, '..', '..')
const register = path.join(root, 'lib', 'register.js')

const REPORT = `
  const { bufferPool } = require(${JSON.stringify(root)})
  const registration = require(${JSON.stringify(register)})
  const report = () => ({ tracking: registration.bufferTracking !== null, monitor: registration.monitor !== null, coverage: bufferPool().coverage })
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
  for (const [value, bytes] of [['2MB', 2 * 2 ** 20], ['123457', 123_457], [' on ', 524_288], ['', 524_288]]) {
    const { interval } = await run(`console.log(JSON.stringify({ interval: require(${JSON.stringify(root)}).bufferProfile().sampleIntervalBytes }))`, { env: { OFFHEAP_TRACK_BUFFERS: value } })
    assert.strictEqual(interval, bytes)
  }
})

test('OFFHEAP_SNAPSHOT_AT starts a Monitor that writes where OFFHEAP_SNAPSHOT_DIR says', async (t) => {
  const folder = emptyFolder(t)
  const { path: written } = await run(`
    const { monitor } = registration
    monitor.on('snapshotWritten', ({ path }) => { console.log(JSON.stringify({ path })); registration.stop(); clearInterval(alive) })
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

test('a wrong value is a warning with its code, and the rest goes on', async () => {
  for (const value of ['rss', 'rss:', ':80%', 'rss:80%:1', 'rss:much', 'rssx:80%', 'rss:101%', '__proto__:5', 'rss:0']) {
    const { stderr, ...state } = await run(SAY, { env: { OFFHEAP_SNAPSHOT_AT: value } })
    assert.deepStrictEqual(state, { tracking: true, monitor: false, coverage: 'full' })
    assert.strictEqual(stderr.match(/\[ERR_(INVALID_ARG_VALUE|OUT_OF_RANGE)\] OffheapWarning: offheap\/register: OFFHEAP_SNAPSHOT_AT has no effect/g)?.length, 1, `${value}: ${stderr}`)
  }
  const { stderr, ...state } = await run(SAY, { env: { OFFHEAP_TRACK_BUFFERS: 'many', OFFHEAP_SNAPSHOT_AT: 'rss:90%' } })
  assert.deepStrictEqual(state, { tracking: false, monitor: true, coverage: 'partial' })
  assert.match(stderr, /OFFHEAP_TRACK_BUFFERS has no effect/)
})

test('loaded twice, from two places, it is one', async () => {
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
  const { code, stdout, stderr } = await runChild('\nconsole.log("started")', { execArgv: ['-r', path.join(folder, 'lib', 'register.js')] })

  assert.deepStrictEqual([code, stdout], [0, 'started\n'])
  assert.match(stderr, /\[ERR_OFFHEAP_BINDING_LOAD_FAILED\] OffheapWarning/)
})
