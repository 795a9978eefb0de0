'use strict'

// What a service keeps is shown on the service's own path, however much of offheap is beside it.

const test = require('node:test')
const assert = require('node:assert')
const path = require('node:path')
const { root, runChildForJson } = require('../helpers/child.js')
const { emptyFolder } = require('../helpers/folder.js')

test('no path to what a service leaks leads through its Monitor, the registration, or the profile', async (t) => {
  const paths = await runChildForJson(`
    const http = require('node:http')
    const { analyzeHeapSnapshot, start, writeHeapSnapshot } = require(${JSON.stringify(root)})
    class LeakedSession { constructor (id) { this.id = id; this.data = Buffer.alloc(100) } }
    const sessions = new Map()
    // Its listeners see the same variables as the service does.
    const monitor = start({ sampleIntervalMs: 10, signal: 'SIGUSR2', trackBuffers: true })
    monitor.on('sample', () => sessions.size).on('triggered', () => sessions.size).on('error', () => sessions.size)
    const server = http.createServer((req, res) => { sessions.set(sessions.size, new LeakedSession(sessions.size)); res.end() })
    server.listen(0, '127.0.0.1', async () => {
      for (let i = 0; i < 50; i++) await (await fetch('http://127.0.0.1:' + server.address().port)).text()
      const { path } = await writeHeapSnapshot({ directory: process.argv[1], mode: 'in-process' })
      const { classes } = await analyzeHeapSnapshot(path, { filter: 'LeakedSession', retainers: 3 })
      monitor.stop()
      server.closeAllConnections()
      server.close()
      console.log(JSON.stringify(classes[0].paths.map(({ text }) => text)))
      process.exit(0)
    })
  `, { args: [emptyFolder(t)], execArgv: ['-r', path.join(root, 'lib', 'register.js')] })

  assert.ok(paths.length > 0)
  for (const text of paths) {
    assert.doesNotMatch(text, /Monitor|offheap|Registration/)
    assert.match(text, /sessions/)
  }
})
