'use strict'

const test = require('node:test')
const assert = require('node:assert')
const path = require('node:path')
const { runChild } = require('../../helpers/child.js')

/** Runs a service of its own: whether requests carry contexts is decided once per process. */
async function service (options, requests) {
  const { said, stderr } = await runChild(`
    const http = require('node:http')
    const express = require('express')
    const { externalAllocations, reading, track } = require('offheap')
    const app = express()
    const kept = []
    app.use(require('offheap/express')(${JSON.stringify(options)}))
    app.get('/plain', (req, res) => res.end())
    app.get('/tracked/:id', async (req, res) => {
      await undefined
      kept.push(track(Buffer.alloc(1_000)))
      res.end()
    })
    const server = app.listen(0, '127.0.0.1', async () => {
      const agent = new http.Agent({ keepAlive: true, maxSockets: 8 })
      const get = (url) => new Promise((resolve, reject) => http.get({ port: server.address().port, path: url, agent }, (res) => res.resume().on('end', resolve)).on('error', reject))
      const plain = (count) => Promise.all(Array.from({ length: count }, () => get('/plain')))
      ${requests}
      agent.destroy()
      server.close(() => {
        const bytes = Object.fromEntries(Object.entries(externalAllocations().routes).map(([route, { liveBytes }]) => [route, liveBytes]))
        console.log(JSON.stringify({ bytes, counts: reading().requestCounts }))
      })
    })
  `, { cwd: path.join(__dirname, '..', '..', '..') })
  assert.strictEqual(stderr, '')
  return said
}

test('the first tracked value has its route, and while values are tracked every request carries a context', async () => {
  assert.deepStrictEqual(await service({}, `
    await get('/tracked/1')
    await plain(1_100)
    await get('/tracked/2')
  `), { bytes: { 'GET /tracked/:id': 2_000 }, counts: { 'GET /plain': 1_100, 'GET /tracked/:id': 2 } })
})

test('after a thousand requests that tracked nothing only those in progress at the first track() have no route', async () => {
  assert.deepStrictEqual(await service({}, `
    await plain(1_000)
    await get('/tracked/1')
    for (let id = 2; id <= 10; id++) await get('/tracked/' + id)
  `), { bytes: { '(no route)': 1_000, 'GET /tracked/:id': 9_000 }, counts: { 'GET /plain': 1_000, 'GET /tracked/:id': 10 } })
})

test('while no route is looked up, promises of the process cost what they cost without offheap', async () => {
  const { counts } = await service({}, `
    // Node before 24 gives each promise an id of its own while an AsyncLocalStorage is in use.
    const { executionAsyncId } = require('node:async_hooks')
    const promisesHaveIds = async () => {
      await undefined
      const first = executionAsyncId()
      await undefined
      return first !== executionAsyncId()
    }
    const assert = require('node:assert')
    let release
    const released = new Promise((resolve) => { release = resolve })
    app.get('/slow', (req, res, next) => { released.then(next) }, require('offheap/express')(), (req, res) => res.end())
    const slow = get('/slow')
    await plain(1_600)
    assert.strictEqual(await promisesHaveIds(), false)
    // This one carries a context, and enters a second middleware now.
    release()
    await slow
    assert.strictEqual(await promisesHaveIds(), false)
  `)
  assert.deepStrictEqual(counts, { 'GET /plain': 1_600, 'GET /slow': 1 })
})

test('a context that the application made itself is a look-up', async () => {
  assert.deepStrictEqual(await service({}, `
    await plain(1_000)
    require('offheap').createRouteContext('a job').run(() => {})
    await get('/tracked/1')
  `), { bytes: { 'GET /tracked/:id': 1_000 }, counts: { 'GET /plain': 1_000, 'GET /tracked/:id': 1 } })
})

test("routes: 'always' has every request carry a context", async () => {
  assert.deepStrictEqual(await service({ routes: 'always' }, `
    await plain(1_200)
    await get('/tracked/1')
  `), { bytes: { 'GET /tracked/:id': 1_000 }, counts: { 'GET /plain': 1_200, 'GET /tracked/:id': 1 } })
})

test('Buffers that are sampled later have their route', async () => {
  const { counts } = await service({}, `
    await plain(1_000)
    require('offheap').trackBuffers({ functions: ['alloc'] })
    app.get('/large', async (req, res) => {
      await undefined
      kept.push(Buffer.alloc(40_000_000))
      res.end()
    })
    await get('/large')
    await get('/large')
    const { 'GET /large': large } = require('offheap').bufferProfile().routes
    require('assert').ok(large.liveBytes >= 40_000_000 && large.liveBytes < 41_000_000, JSON.stringify(large))
  `)
  assert.deepStrictEqual(counts, { 'GET /plain': 1_000, 'GET /large': 2 })
})
