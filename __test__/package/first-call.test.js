'use strict'

// What is loaded when: by require(), at the first call of a function, and when something begins that goes on.

const test = require('node:test')
const assert = require('node:assert')
const fs = require('node:fs')
const path = require('node:path')
const { runChildForJson } = require('../helpers/child.js')
const { emptyFolder } = require('../helpers/folder.js')
const { support } = require('../..')

const root = path.join(__dirname, '..', '..')
const register = require.resolve('offheap/register')
const noWatch = support().watchAddons.available ? false : support().watchAddons.reason

// Prints the files of offheap that are loaded.
const LOADED = `Object.keys(require.cache).map((file) => require('node:path').relative(${JSON.stringify(root)}, file)).filter((file) => !file.startsWith('..'))`

test('each export is a function in a property of its own, which mocks can replace', () => {
  for (const [name, { value, enumerable, writable, configurable }] of Object.entries(Object.getOwnPropertyDescriptors(require('../..')))) {
    assert.deepStrictEqual([typeof value, value.name, enumerable, writable, configurable], ['function', name, true, true, true], name)
  }
})

test('require loads what a request may call, and no census, Monitor or snapshot', async () => {
  const files = await runChildForJson(`
    require(${JSON.stringify(root)})
    console.log(JSON.stringify(${LOADED}))
  `)

  assert.ok(files.includes('lib/external/track.js'), String(files))
  assert.deepStrictEqual(files.filter((file) => /^lib\/(heap|monitor|overview\/reading|buffers\/(census|profile))/.test(file)), [])
  assert.ok(files.length <= 32, String(files))
})

test('register loads what samples Buffers and watches addons, and nothing that reads figures', { skip: noWatch }, async () => {
  const files = await runChildForJson(`
    console.log(JSON.stringify(${LOADED}))
  `, { execArgv: ['-r', register] })

  assert.ok(files.includes('lib/addons/watch.js') && files.includes('lib/buffers/track-buffers.js'), String(files))
  assert.ok(!files.includes('index.js') && files.length <= 18, String(files))
})

// From here on no file of offheap can be read, as after a deployment that replaced the folder, or under a mocked `fs`.
const NO_MORE_FILES = `
  const Module = require('node:module')
  const { '.js': load } = Module._extensions
  Module._extensions['.js'] = (module, file) => {
    if (file.startsWith(${JSON.stringify(path.join(root, 'lib'))})) throw new Error('a file was loaded later: ' + file)
    load(module, file)
  }
`

test('a Monitor has all of its files when it has started', { skip: support().probe.available ? false : 'no probe here' }, async (t) => {
  const { written, history } = await runChildForJson(`
    const { memory, start, track } = require(${JSON.stringify(root)})
    const monitor = start({ sampleIntervalMs: 20, trackBuffers: true, thresholds: { trackedExternalBytes: 2000 }, snapshot: { directory: process.argv[1] } })
    ${NO_MORE_FILES}
    globalThis.kept = track(Buffer.alloc(3000))
    monitor.on('error', (error) => { throw error })
    monitor.once('snapshotWritten', ({ file }) => {
      console.log(JSON.stringify({ written: file.endsWith('.heapsnapshot'), history: monitor.history().length > 0 }))
      process.exit()
    })
    setInterval(() => {}, 1000)
  `, { args: [emptyFolder(t)] })

  assert.deepStrictEqual([written, history], [true, true])
})

test('register has all files of what it began, and stops it', { skip: noWatch || (support().probe.available ? false : 'no probe here') }, async (t) => {
  const { written, later } = await runChildForJson(`
    const { monitor, stop } = require('offheap/register')
    ${NO_MORE_FILES}
    let later
    process.on('SIGUSR1', () => {})
    monitor.once('snapshotWritten', ({ file }) => {
      stop()
      try {
        require(${JSON.stringify(root)})
      } catch ({ message }) {
        later = message
      }
      console.log(JSON.stringify({ written: file.endsWith('.heapsnapshot'), later }))
      process.exit()
    })
    globalThis.kept = Buffer.alloc(10_000_000)
    process.kill(process.pid, 'SIGUSR2')
    setInterval(() => {}, 1000)
  `, { execArgv: ['-r', register], env: { OFFHEAP_SNAPSHOT_SIGNAL: 'USR2', OFFHEAP_SNAPSHOT_DIR: emptyFolder(t) }, cwd: root })

  assert.strictEqual(written, true)
  assert.match(later, /a file was loaded later/, 'the check sees files that are loaded later')
})

test('Express has the files of its page before the first request for it', async () => {
  const files = await runChildForJson(`
    require('offheap/express')({ path: '/debug/memory' })
    console.log(JSON.stringify(${LOADED}))
  `, { cwd: root })

  assert.ok(files.includes('lib/overview/reading.js'), String(files))
})

test('files of another version are not loaded into a process that runs this one', async (t) => {
  // GIVEN an installation of its own, which a deployment replaces while the service runs
  const folder = emptyFolder(t)
  for (const name of ['index.js', 'package.json', 'lib', 'prebuilds']) fs.cpSync(path.join(root, name), path.join(folder, name), { recursive: true })
  const { replaced, restored } = await runChildForJson(`
    const fs = require('node:fs')
    const { trim } = require(process.argv[1])
    const file = process.argv[1] + '/package.json'
    const text = fs.readFileSync(file, 'utf8')
    const call = () => trim().then(() => 'works', ({ code, message }) => ({ code, message }))
    ;(async () => {
      fs.writeFileSync(file, text.replace(/"version": "[^"]+"/, '"version": "99.0.0"'))
      const replaced = await call()
      fs.writeFileSync(file, text)
      console.log(JSON.stringify({ replaced, restored: await call() }))
    })()
  `, { args: [folder] })

  assert.strictEqual(replaced.code, 'ERR_OFFHEAP_READ_FAILED')
  assert.match(replaced.message, /version 99\.0\.0 .* restart/i)
  assert.strictEqual(restored, 'works')
})
