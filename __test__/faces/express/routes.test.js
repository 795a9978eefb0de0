'use strict'

// Which name a request's allocations get: method and template, and never anything of its URL.

const test = require('node:test')
const assert = require('node:assert')
const { externalAllocations, track } = require('../../..')
const offheap = require('../../../lib/faces/express.js')
const path = require('node:path')
const { root, runChild } = require('../../helpers/child.js')
const { serve, versions } = require('../../helpers/express.js')
const { until } = require('../../helpers/until.js')

const kept = []

/** Keeps and tracks this many bytes. Each test has a size of its own. */
function keep (byteLength) {
  kept.push(track(Buffer.alloc(byteLength)))
}

/** Live bytes by route, of the routes that have grown since `before`. */
function grown (before) {
  const { routes } = externalAllocations()
  const rows = Object.entries(routes).map(([name, { liveBytes }]) => [name, liveBytes - (before.routes[name]?.liveBytes ?? 0)])
  return Object.fromEntries(rows.filter(([, bytes]) => bytes > 0))
}

for (const { name, express, ready, wildcard } of versions) {
  test(`${name}: every shape of route has its template`, async (t) => {
    const app = express()
    app.use(offheap())
    const answer = (req, res) => { keep(1_009); res.end() }
    app.get('/', answer)
    app.get('/items/:id', answer)
    app.route('/route/:id').post(answer)
    app.get(['/first', '/second/:x'], answer)
    app.get(/^\/pattern\/(\d+)$/, answer)
    app.all('/any', answer)
    const inner = express.Router()
    inner.get('/', answer)
    inner.get('/orders/:order', answer)
    const outer = express.Router({ mergeParams: true })
    outer.use('/by/:year', inner)
    outer.get('/plain', answer)
    app.use('/users/:user', outer)
    app.use('/static/base', inner)
    ready(app)
    const { ask } = await serve(t, app)

    for (const [method, url, expected] of [
      ['GET', '/', 'GET /'],
      ['GET', '/items/s3cret?token=s3cret', 'GET /items/:id'],
      ['HEAD', '/items/s3cret', 'HEAD /items/:id'],
      ['POST', '/route/s3cret', 'POST /route/:id'],
      ['GET', '/first', 'GET /first|/second/:x'],
      ['GET', '/second/s3cret', 'GET /first|/second/:x'],
      ['GET', '/pattern/123', 'GET (/^\\/pattern\\/(\\d+)$/)'],
      ['OPTIONS', '/any', 'OPTIONS /any'],
      ['PURGE', '/any', 'PURGE /any'],
      ['GET', '/users/s3cret/plain', 'GET /users/:user/plain'],
      ['GET', '/users/users/plain', 'GET /users/:user/plain'],
      ['GET', '/USERS/s3cret/PLAIN', 'GET /users/:user/plain'],
      ['GET', '/users/%73%33cret/by/2024/orders/7', 'GET /users/:user/by/:year/orders/:order'],
      ['GET', '/users/s3cret/by/by/', 'GET /users/:user/by/:year'],
      ['GET', '/static/base/orders/7', 'GET /static/base/orders/:order'],
      ['GET', '/STATIC/base', 'GET /static/base']
    ]) {
      const before = externalAllocations()
      assert.strictEqual((await ask(url, { method })).status, 200, url)
      assert.deepStrictEqual(grown(before), { [expected]: 1_009 }, url)
    }
    assert.ok(!JSON.stringify(externalAllocations()).includes('s3cret'))
  })

  test(`${name}: a thousand values of a parameter are one route`, async (t) => {
    const app = express()
    app.use(offheap())
    const router = express.Router()
    router.get('/things/:thing', (req, res) => { keep(11); res.end() })
    app.use('/owners/:owner/of', router)
    ready(app)
    const { ask } = await serve(t, app)
    const before = externalAllocations()

    for (let i = 0; i < 1000; i++) await ask(`/owners/o${i}/of/things/${i}`)

    assert.deepStrictEqual(grown(before), { 'GET /owners/:owner/of/things/:thing': 11_000 })
  })

  test(`${name}: a value that param callbacks change has no effect on the name`, async (t) => {
    const app = express()
    app.use(offheap())
    const router = express.Router()
    router.get('/x', (req, res) => { keep(1_013); res.end() })
    app.param('account', (req, res, next, value) => { req.params.account = { name: value }; next() })
    app.use('/accounts/:account', router)
    ready(app)
    const { ask } = await serve(t, app)
    const before = externalAllocations()

    await ask('/accounts/s3cret/x')

    assert.deepStrictEqual(grown(before), { 'GET /accounts/:account/x': 1_013 })
  })

  test(`${name}: an app in an app, mounted on a parameter, is named through both`, async (t) => {
    const app = express()
    const other = express()
    app.use(offheap())
    other.get('/x/:y', (req, res) => { keep(1_019); res.end() })
    app.use('/tenants/:tenant', other)
    ready(app)
    const { ask } = await serve(t, app)
    const before = externalAllocations()

    await ask('/tenants/s3cret/x/1')

    assert.deepStrictEqual(grown(before), { 'GET /tenants/:tenant/x/:y': 1_019 })
  })

  test(`${name}: a router that a function calls is named by the layer of the function`, async (t) => {
    const app = express()
    app.use(offheap())
    const router = express.Router()
    router.get('/x', (req, res) => { keep(1_021); res.end() })
    app.use('/lazy/:tenant', (req, res, next) => router(req, res, next))
    ready(app)
    const { ask } = await serve(t, app)
    const before = externalAllocations()

    await ask('/lazy/s3cret/x')

    assert.deepStrictEqual(grown(before), { 'GET /lazy/:tenant/x': 1_021 })
  })

  test(`${name}: one router in two places is two routes`, async (t) => {
    const app = express()
    app.use(offheap())
    const router = express.Router()
    router.get('/x', (req, res, next) => { keep(1_031); if (req.query.fail) next(new Error('wanted')); else res.end() })
    app.use('/a/:a', router)
    app.use('/b/:b', router)
    app.use((error, req, res, next) => { res.statusCode = 500; res.end(error.message) })
    ready(app)
    const { ask } = await serve(t, app)

    for (const [url, expected] of [['/a/1/x', 'GET /a/:a/x'], ['/b/1/x', 'GET /b/:b/x'], ['/b/1/x?fail=1', 'GET /b/:b/x']]) {
      const before = externalAllocations()
      await ask(url)
      assert.deepStrictEqual(grown(before), { [expected]: 1_031 }, url)
    }
  })

  test(`${name}: an error in a nested router keeps the route's name`, async (t) => {
    const app = express()
    app.use(offheap())
    const router = express.Router()
    router.get('/fails/:how', (req, res) => { throw new Error('wanted') })
    app.use('/errors/:error', router)
    app.use((error, req, res, next) => { keep(1_033); res.statusCode = 500; res.end(error.message) })
    ready(app)
    const { ask } = await serve(t, app)
    const before = externalAllocations()

    assert.strictEqual((await ask('/errors/s3cret/fails/badly')).status, 500)

    assert.deepStrictEqual(grown(before), { 'GET /errors/:error/fails/:how': 1_033 })
  })

  test(`${name}: a request that no route takes is unmatched, once it is over`, async (t) => {
    const app = express()
    app.use(offheap())
    app.use((req, res, next) => { keep(1_039); next() })
    app.get('/there', (req, res) => res.end())
    ready(app)
    const { ask } = await serve(t, app)
    const before = externalAllocations()

    assert.strictEqual((await ask('/s3cret')).status, 404)
    await ask('/also/s3cret', { method: 'DELETE' })
    await ask('/there')

    await until('all three are counted', () => Object.keys(grown(before)).length === 3)
    assert.deepStrictEqual(grown(before), { 'GET (unmatched)': 1_039, 'DELETE (unmatched)': 1_039, 'GET /there': 1_039 })
  })

  test(`${name}: a route that passes the request on has what was tracked in it, and the next one the rest`, async (t) => {
    const app = express()
    app.use(offheap())
    app.all(wildcard, (req, res, next) => { keep(1_049); next() })
    app.get('/real/:id', (req, res) => { keep(1_051); res.end() })
    ready(app)
    const { ask } = await serve(t, app)
    const before = externalAllocations()

    await ask('/real/1')

    assert.deepStrictEqual(grown(before), { [`GET ${wildcard === '*' ? '/*' : wildcard}`]: 1_049, 'GET /real/:id': 1_051 })
  })

  test(`${name}: a method that HTTP does not know has no name of its own`, async (t) => {
    const app = express()
    app.use(offheap())
    app.use((req, res, next) => { req.method = `M${req.headers.number}`; next() })
    app.route('/override').all((req, res) => { keep(1_061); res.end() })
    ready(app)
    const { ask } = await serve(t, app)
    const before = externalAllocations()

    await ask('/override', { headers: { number: '1' } })
    await ask('/override', { headers: { number: '2' } })

    assert.deepStrictEqual(grown(before), { '(other) /override': 2_122 })
  })

  test(`${name}: an async handler that rejects, after an await`, async (t) => {
    const app = express()
    app.use(offheap())
    app.get('/async/:id', async (req, res, next) => {
      await new Promise(setImmediate)
      keep(1_063)
      // Express 4 does not look at the promise.
      if (name === 'Express 4') return next(new Error('wanted'))
      throw new Error('wanted')
    })
    app.use((error, req, res, next) => { res.statusCode = 503; res.end(error.message) })
    ready(app)
    const { ask } = await serve(t, app)
    const before = externalAllocations()

    assert.strictEqual((await ask('/async/1')).status, 503)

    assert.deepStrictEqual(grown(before), { 'GET /async/:id': 1_063 })
  })
}

test('Express 4: paths of a mount that path-to-regexp 0.1 writes in many ways', async (t) => {
  const express = require('express4')
  for (const [mount, url, expected] of [
    ['/p/:a?', '/p/s3cret', 'GET /p/:a?/x'],
    ['/q/:a-:b', '/q/s3cret-2', 'GET (/^\\/q(?:\\/([^/]+?))-(?:((?:(?!\\/|-).)+?))\\/?(?=\\/|$)/)/x'],
    ['/v:version(\\d+)', '/v12', 'GET /v:version/x'],
    ['/w/*/z', '/w/s3cret/z', 'GET /w/*/z/x'],
    ['/file.:ext', '/file.s3cret', 'GET /file.:ext/x'],
    ['/some-thing_2.0', '/some-thing_2.0', 'GET /some-thing_2.0/x'],
    [['/m/:m', '/n'], '/m/s3cret', 'GET /m/:m|/n/x'],
    [/^\/r\w+/, '/rs3cret', 'GET (/^\\/r\\w+/)/x']
  ]) {
    const app = express()
    app.use(offheap())
    const router = express.Router()
    router.get('/x', (req, res) => { keep(1_069); res.end() })
    app.use(mount, router)
    const { ask } = await serve(t, app)
    const before = externalAllocations()

    assert.strictEqual((await ask(`${url}/x`)).status, 200, url)

    assert.deepStrictEqual(grown(before), { [expected]: 1_069 }, url)
  }
})

test('Express 5 before 5.3: the path of a mount is inferred, and contains no text of the request', async (t) => {
  const { express, ready } = versions[1]
  for (const [mount, url, expected] of [
    ['/q/:a-:b', '/q/s3cret-2', 'GET /q/:a:b/x'],
    ['/w/*rest/z', '/w/s3cret/s3cret/z', 'GET /w/:rest/z/x'],
    ['/Some-Thing_2.0', '/some-THING_2.0', 'GET /some-thing_2.0/x'],
    [/^\/r\w+/, '/rs3cret', 'GET /*/x'],
    [/^\/v\d/, '/v7', 'GET /*/x']
  ]) {
    const app = express()
    app.use(offheap())
    const router = express.Router()
    router.get('/x', (req, res) => { keep(1_087); res.end() })
    app.use(mount, router)
    ready(app)
    const { ask } = await serve(t, app)
    const before = externalAllocations()

    assert.strictEqual((await ask(`${url}/x`)).status, 200, url)

    assert.deepStrictEqual(grown(before), { [expected]: 1_087 }, url)
  }
})

test('under another framework requests are served and counted as (no route), with one warning', async () => {
  // As Fastify's middie and Koa's connect call it: Node's own request and response, and no req.app.
  const { stdout, stderr, code } = await runChild(`
    const http = require('node:http')
    const { externalAllocations, track } = require(${JSON.stringify(root)})
    const middleware = require(${JSON.stringify(path.join(root, 'lib', 'faces', 'express.js'))})({ path: '/debug/memory' })
    const kept = []
    const server = http.createServer((req, res) => middleware(req, res, () => {
      kept.push(track(Buffer.alloc(1_061), { label: 'served' }))
      res.end('served')
    }))
    server.listen(0, '127.0.0.1', async () => {
      const url = 'http://127.0.0.1:' + server.address().port
      const texts = []
      for (const where of ['/a', '/b/s3cret']) texts.push(await (await fetch(url + where)).text())
      const reading = await (await fetch(url + '/debug/memory')).json()
      server.closeAllConnections()
      server.close()
      console.log(JSON.stringify({ texts, counts: reading.requestCounts, bytes: externalAllocations().routes['GET (no route)']?.liveBytes }))
    })
  `)

  assert.strictEqual(code, 0, stderr)
  const { texts, counts, bytes } = JSON.parse(stdout)
  assert.deepStrictEqual(texts, ['served', 'served'])
  assert.strictEqual(counts['GET (no route)'], 2)
  assert.strictEqual(bytes, 2 * 1_061)
  assert.strictEqual(stderr.match(/OffheapWarning: offheap\/express: requests have no Express application/g)?.length, 1, stderr)
})
