'use strict'

const test = require('node:test')
const assert = require('node:assert')
const http = require('node:http')
const net = require('node:net')
const { AsyncResource } = require('node:async_hooks')
const { allocExternal, externalAllocations, track } = require('../../..')
const offheap = require('../../../lib/faces/express.js')
const { runChild } = require('../../helpers/child.js')
const { serve, versions } = require('../../helpers/express.js')
const { until } = require('../../helpers/until.js')

const kept = []

const liveBytes = (route) => externalAllocations().routes[route]?.liveBytes ?? 0

for (const { name, express } of versions.filter((version) => version.name !== 'Express 5 before 5.3')) {
  test(`${name}: the reading is numbers and names, at one path, for GET and HEAD`, async (t) => {
    const app = express()
    app.use(offheap({ path: '/debug/memory' }))
    app.get('/kept/:id', (req, res) => { kept.push(allocExternal(10_007, { label: 'of the reading' })); res.end() })
    const { ask } = await serve(t, app)
    await ask('/kept/s3cret')
    await ask('/kept/s3cret')

    const { status, headers, json } = await ask('/debug/memory?pretty=1')

    assert.strictEqual(status, 200)
    assert.strictEqual(headers['cache-control'], 'no-store')
    assert.match(headers['content-type'], /^application\/json/)
    const reading = json()
    assert.deepStrictEqual(Object.keys(reading), ['at', 'pid', 'threadId', 'memory', 'externalAllocations', 'bufferProfile', 'addons', 'requestCounts', 'ownReferences'])
    assert.strictEqual(reading.addons, null)
    assert.strictEqual(reading.pid, process.pid)
    assert.strictEqual(reading.threadId, 0)
    assert.ok(reading.memory.trackedExternalBytes >= 20_014)
    assert.strictEqual(reading.externalAllocations.routes['GET /kept/:id'].liveCount % 2, 0)
    assert.ok(reading.externalAllocations.labels['of the reading'].liveBytes >= 20_014)
    assert.ok(reading.ownReferences.liveCount > 0)
    assert.strictEqual(reading.requestCounts['GET /kept/:id'] % 2, 0)
    assert.strictEqual(new Date(reading.at).toISOString(), reading.at)
    assert.deepStrictEqual(strings(reading), [reading.at, 'partial', reading.memory.bufferPool.coverageReason])
    assert.ok(reading.memory.bufferPool.liveCount >= 1)
    assert.deepStrictEqual([reading.bufferProfile.active, reading.bufferProfile.liveBytes], [false, null])

    const head = await ask('/debug/memory', { method: 'HEAD' })
    assert.strictEqual(head.status, 200)
    assert.strictEqual(head.text, '')
    assert.ok(Number(head.headers['content-length']) > 100)

    for (const [url, method] of [['/debug/memory', 'POST'], ['/debug/memory/', 'GET'], ['/debug/memoryx', 'GET'], ['/Debug/memory', 'GET'], ['/debug', 'GET']]) {
      assert.strictEqual((await ask(url, { method })).status, 404, `${method} ${url}`)
    }
  })

  test(`${name}: mounted at a path, it answers below it`, async (t) => {
    const app = express()
    app.use('/internal', offheap({ path: '/memory' }))
    const { ask } = await serve(t, app)

    assert.strictEqual((await ask('/internal/memory')).status, 200)
    assert.strictEqual((await ask('/memory')).status, 404)
  })

  test(`${name}: authorize decides, and anything but true is no`, async (t) => {
    const app = express()
    const decisions = {
      yes: () => true,
      later: async () => { await new Promise(setImmediate); return true },
      no: () => false,
      truthy: () => 'yes',
      promised: async () => 1,
      nothing: () => {}
    }
    app.use(offheap({ path: '/memory', authorize: (req) => decisions[req.headers.decision]() }))
    const { ask } = await serve(t, app)

    for (const [decision, expected] of [['yes', 200], ['later', 200], ['no', 404], ['truthy', 404], ['promised', 404], ['nothing', 404]]) {
      assert.strictEqual((await ask('/memory', { headers: { decision } })).status, expected, decision)
    }
  })

  test(`${name}: an authorize that throws or rejects is a no, and a warning, once`, async (t) => {
    const warnings = []
    const listener = (warning) => { if (warning.name === 'OffheapWarning') warnings.push(warning.message) }
    process.on('warning', listener)
    t.after(() => process.off('warning', listener))
    for (const authorize of [() => { throw new Error('thrown') }, async () => { throw new Error('rejected') }]) {
      warnings.length = 0
      const app = express()
      app.use(offheap({ path: '/memory', authorize }))
      const { ask } = await serve(t, app)

      assert.strictEqual((await ask('/memory')).status, 404)
      assert.strictEqual((await ask('/memory')).status, 404)

      await new Promise(setImmediate)
      assert.strictEqual(warnings.length, 1)
      assert.match(warnings[0], /did not serve \/memory: (thrown|rejected)/)
    }
  })

  test(`${name}: a request that is cut off is settled, and counted`, async (t) => {
    const app = express()
    let began
    app.use(offheap({ path: '/memory' }))
    app.get('/hangs/:id', (req, res) => { began = true })
    const { ask, port } = await serve(t, app)
    const before = (await ask('/memory')).json().requestCounts['GET /hangs/:id'] ?? 0

    const socket = net.connect(port, '127.0.0.1', () => socket.write('GET /hangs/1 HTTP/1.1\r\nHost: x\r\n\r\n'))
    socket.on('error', () => {})
    await until('the handler runs', () => began)
    socket.destroy()

    await until('the request is counted', async () => (await ask('/memory')).json().requestCounts['GET /hangs/:id'] === before + 1)
  })

  test(`${name}: work after the response still counts under its route`, async (t) => {
    const app = express()
    app.use(offheap())
    let done
    const late = new Promise((resolve) => { done = resolve })
    app.get('/stream/:id', (req, res) => {
      res.on('close', () => setImmediate(() => {
        kept.push(track(Buffer.alloc(2_011)))
        done()
      }))
      res.write('a')
      setImmediate(() => res.end('b'))
    })
    const { ask } = await serve(t, app)
    const before = liveBytes('GET /stream/:id')

    assert.strictEqual((await ask('/stream/1')).text, 'ab')
    await late

    assert.strictEqual(liveBytes('GET /stream/:id') - before, 2_011)
  })

  test(`${name}: a second middleware counts nothing twice, and restores a context that got lost`, async (t) => {
    const app = express()
    app.use(offheap({ path: '/memory' }))
    app.use(offheap())
    // A callback of a pool that was made before any request: outside of every context.
    const pool = new AsyncResource('pool')
    app.use((req, res, next) => pool.runInAsyncScope(next))
    app.get('/lost', (req, res) => { kept.push(track(Buffer.alloc(2_017))); res.end() })
    app.use(offheap())
    app.get('/found', (req, res) => { kept.push(track(Buffer.alloc(2_027))); res.end() })
    const { ask } = await serve(t, app)
    const before = [liveBytes('GET /lost'), liveBytes('GET /found')]
    const counted = (await ask('/memory')).json().requestCounts['GET /found'] ?? 0

    await ask('/lost')
    await ask('/found')

    assert.strictEqual(liveBytes('GET /lost') - before[0], 0)
    assert.strictEqual(liveBytes('GET /found') - before[1], 2_027)
    assert.strictEqual((await ask('/memory')).json().requestCounts['GET /found'], counted + 1)
  })
}

function strings (value) {
  if (typeof value === 'string') return [value]
  return typeof value === 'object' && value !== null ? Object.values(value).flatMap(strings) : []
}

test('without a path nothing is served', async (t) => {
  const app = require('express')()
  app.use(offheap())
  const { ask } = await serve(t, app)

  for (const path of ['/', '/debug/memory', '/memory', '/undefined']) assert.strictEqual((await ask(path)).status, 404)
})

test('routes: false leaves the context out, and counts nothing by route', async (t) => {
  const app = require('express')()
  app.use(offheap({ path: '/memory', routes: false }))
  app.get('/unnamed', (req, res) => { kept.push(track(Buffer.alloc(2_029))); res.end() })
  const { ask } = await serve(t, app)

  await ask('/unnamed')

  assert.strictEqual(liveBytes('GET /unnamed'), 0)
  assert.ok(!Object.hasOwn((await ask('/memory')).json().requestCounts, 'GET /unnamed'))
})

test('ten listeners of the application are still no leak', async () => {
  const { stderr, code } = await runChild(`
    const express = require('express')
    const offheap = require('offheap/express')
    const app = express()
    app.use(offheap())
    app.use(offheap())
    app.get('/', (req, res) => {
      for (const emitter of [res, req.socket]) {
        // offheap has none at the response, and one at the connection.
        const own = 10 - emitter.listenerCount('close') + (emitter === res ? 0 : 1)
        for (let i = 0; i < own; i++) emitter.on('close', () => {})
      }
      res.end()
    })
    const server = app.listen(0, '127.0.0.1', async () => {
      await (await fetch('http://127.0.0.1:' + server.address().port)).text()
      server.close()
      server.closeAllConnections()
    })
  `, { cwd: require('node:path').join(__dirname, '..', '..', '..'), execArgv: ['--trace-warnings'] })
  assert.strictEqual(code, 0)
  assert.doesNotMatch(stderr, /MaxListeners/)
})

test('a request is released when it has ended, whatever was started in it', async () => {
  // GIVEN a resource that a request made and that lives on, as a pooled connection does
  const app = require('express')()
  app.use(offheap())
  let resource
  let request
  app.get('/pool', (req, res) => {
    resource = new AsyncResource('connection')
    request = new WeakRef(req)
    res.end()
  })
  const server = http.createServer(app)
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
  const before = liveBytes('GET /pool')
  await (await fetch(`http://127.0.0.1:${server.address().port}/pool`, { headers: { connection: 'close' } })).text()
  await new Promise((resolve) => { server.close(resolve); server.closeAllConnections() })

  // THEN the request is collected, and the resource still has the route
  for (let round = 0; round < 50 && request.deref() !== undefined; round++) {
    await new Promise(setImmediate)
    global.gc()
  }
  assert.strictEqual(request.deref(), undefined)
  resource.runInAsyncScope(() => kept.push(track(Buffer.alloc(2_039))))
  assert.strictEqual(liveBytes('GET /pool') - before, 2_039)
})

test('requests that are not Node\'s own continue', () => {
  const middleware = offheap({ path: '/memory' })
  for (const [req, res] of [[{}, {}], [{ method: 'GET', url: '/x' }, {}], [Object.freeze({ method: 'GET', url: '/x' }), new http.ServerResponse({ method: 'GET' })]]) {
    let called = 0
    middleware(req, res, () => { called++ })
    assert.strictEqual(called, 1)
  }
})

test('an error that next() throws is the caller\'s, and next() is called once', () => {
  let called = 0
  assert.throws(() => offheap()({ method: 'GET', url: '/x' }, new http.ServerResponse({ method: 'GET' }), () => {
    called++
    throw new Error('wanted')
  }), /wanted/)
  assert.strictEqual(called, 1)
})

test('options are checked, and a misspelt one is named', () => {
  for (const options of [null, 5, '/debug', []]) assert.throws(() => offheap(options), { name: 'TypeError', code: 'ERR_INVALID_ARG_TYPE' })
  for (const path of [null, 5, true, {}]) assert.throws(() => offheap({ path }), { code: 'ERR_INVALID_ARG_TYPE' })
  for (const path of ['', 'debug', '/debug?x', '/debug#x']) assert.throws(() => offheap({ path }), { code: 'ERR_INVALID_ARG_VALUE' })
  for (const authorize of [null, true, 'yes', {}]) assert.throws(() => offheap({ path: '/x', authorize }), { code: 'ERR_INVALID_ARG_TYPE' })
  for (const routes of [null, 1, 'no']) assert.throws(() => offheap({ routes }), { code: 'ERR_INVALID_ARG_TYPE' })
  assert.throws(() => offheap({ pth: '/x' }), { code: 'ERR_INVALID_ARG_VALUE', message: /did you mean "path"/ })
  assert.throws(() => offheap({ authorise: () => true }), { message: /did you mean "authorize"/ })
})

test('the package serves it under its own name, to require and to import', async () => {
  assert.strictEqual(require('offheap/express'), offheap)
  assert.strictEqual((await import('offheap/express')).default, offheap)
  assert.strictEqual(require('offheap'), require('../../..'))
})
