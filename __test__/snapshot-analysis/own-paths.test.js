'use strict'

// What a service keeps is shown on the service's own path, however much of offheap is beside it.

const test = require('node:test')
const assert = require('node:assert')
const path = require('node:path')
const { root, runChildForJson } = require('../helpers/child.js')
const { emptyFolder } = require('../helpers/folder.js')

test('no path to what a service leaks leads through its Monitor, the registration, or the profile', async (t) => {
  const paths = await runChildForJson(`
    const { analyzeHeapSnapshot, start, writeHeapSnapshot } = require(${JSON.stringify(root)})
    class LeakedSession { constructor (id) { this.id = id; this.data = Buffer.alloc(100) } }
    // Each in a scope of its own: the service holds its sessions deep inside, and a listener sees them at once.
    function serve (sessions) {
      const service = { a: { b: { c: { d: { e: { f: { sessions } } } } } } }
      return setInterval(() => service, 1e6)
    }
    function observe (monitor, sessions) {
      for (const name of ['sample', 'triggered', 'error']) monitor.on(name, () => sessions.size)
    }
    function begin () {
      const sessions = new Map(Array.from({ length: 50 }, (_, id) => [id, new LeakedSession(id)]))
      const monitor = start({ sampleIntervalMs: 1e6, signal: 'SIGUSR2', trackBuffers: true })
      observe(monitor, sessions)
      return [monitor, serve(sessions)]
    }
    const [monitor, interval] = begin()
    ;(async () => {
      const { path } = await writeHeapSnapshot({ directory: process.argv[1], mode: 'in-process' })
      const { classes } = await analyzeHeapSnapshot(path, { filter: 'LeakedSession', retainers: 3 })
      monitor.stop()
      clearInterval(interval)
      console.log(JSON.stringify(classes[0].paths.map(({ text }) => text)))
    })()
  `, { args: [emptyFolder(t)], execArgv: ['-r', path.join(root, 'lib', 'register.js')] })

  assert.ok(paths.length > 0)
  for (const text of paths) {
    assert.doesNotMatch(text, /Monitor|offheap|Registration/)
    assert.match(text, /sessions/)
  }
})
