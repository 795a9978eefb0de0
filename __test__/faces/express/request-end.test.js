'use strict'

const test = require('node:test')
const assert = require('node:assert')
const http = require('node:http')
const net = require('node:net')
const { once } = require('node:events')
const { Duplex } = require('node:stream')
const express = require('express')
const { externalAllocations, reading, track } = require('../../..')
const offheap = require('../../../lib/faces/express.js')
const { serve } = require('../../helpers/express.js')
const { until } = require('../../helpers/until.js')

const kept = []
const liveBytes = (route) => externalAllocations().routes[route]?.liveBytes ?? 0
const count = (route) => reading().requestCounts[route] ?? 0
const HEAD = 'HTTP/1.1\r\nHost: x\r\n\r\n'

/** Sends all of `text` in one write, and returns what is answered until `responses` responses were received. */
function exchange (port, text, responses) {
  return new Promise((resolve, reject) => {
    let answer = ''
    const socket = net.connect(port, '127.0.0.1', () => socket.write(text))
    socket.setEncoding('latin1').on('error', reject).on('data', (data) => {
      answer += data
      if (answer.split('HTTP/1.1 200').length > responses) {
        socket.destroy()
        resolve(answer)
      }
    })
  })
}

test('pipelined requests are counted once each, and have what was tracked in them', async (t) => {
  const app = express()
  app.use(offheap())
  for (const [name, bytes] of [['first', 1_013], ['second', 1_019], ['third', 1_021]]) {
    app.get(`/pipelined/${name}`, async (req, res) => {
      await new Promise(setImmediate)
      kept.push(track(Buffer.alloc(bytes)))
      res.end(name)
    })
  }
  const { port } = await serve(t, app)

  await exchange(port, `GET /pipelined/first ${HEAD}GET /pipelined/second ${HEAD}GET /pipelined/third ${HEAD}`, 3)

  const routes = ['GET /pipelined/first', 'GET /pipelined/second', 'GET /pipelined/third']
  await until('all are counted', () => routes.every((route) => count(route) === 1))
  assert.deepStrictEqual(routes.map(liveBytes), [1_013, 1_019, 1_021])
})

test('pipelined requests whose connection is cut are settled, and counted once', async (t) => {
  const app = express()
  app.use(offheap())
  let began = 0
  app.get('/cut/:id', () => { began++ })
  const { port } = await serve(t, app)

  const socket = net.connect(port, '127.0.0.1', () => socket.write(`GET /cut/1 ${HEAD}GET /cut/2 ${HEAD}GET /cut/3 ${HEAD}`))
  await until('all have begun', () => began === 3)
  assert.strictEqual(count('GET /cut/:id'), 0)
  socket.destroy()

  await until('they are counted', () => count('GET /cut/:id') > 0)
  await new Promise(setImmediate)
  assert.strictEqual(count('GET /cut/:id'), 3)
})

test('requests of one connection are counted as each of them ends, with one listener at the connection', async (t) => {
  const listenerCounts = []
  const app = express()
  app.use(offheap())
  app.get('/kept-alive', (req, res) => {
    listenerCounts.push(req.socket.listenerCount('close'))
    res.end('ok')
  })
  const { port } = await serve(t, app)
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 })
  for (let n = 1; n <= 30; n++) {
    await new Promise((resolve, reject) => http.get({ port, path: '/kept-alive', agent }, (res) => res.resume().on('end', resolve)).on('error', reject))
    await until('it is counted', () => count('GET /kept-alive') === n)
  }
  agent.destroy()

  const { ask } = await serve(t, (req, res) => res.end(String(req.socket.listenerCount('close'))))
  const without = Number((await ask('/')).text)
  assert.deepStrictEqual(listenerCounts, new Array(30).fill(without + 1))
})

test('a request that the middleware sees after its response was sent is counted with the next one of its connection', async (t) => {
  const app = express()
  const requests = []
  app.use(async (req, res, next) => {
    res.end('early')
    await once(res, 'finish')
    requests.push(new WeakRef(req))
    next()
  })
  app.use(offheap())
  app.get('/early', () => {})
  const { port } = await serve(t, app)
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 })

  for (let n = 0; n < 20; n++) {
    await new Promise((resolve, reject) => http.get({ port, path: '/early', agent }, (res) => res.resume().on('end', resolve)).on('error', reject))
    await until('the middleware has run', () => requests.length === n + 1)
    await new Promise(setImmediate)
  }
  assert.strictEqual(count('GET /early'), 19)
  await until('the requests are collected', () => {
    global.gc()
    return requests.slice(0, -2).every((request) => request.deref() === undefined)
  })
  agent.destroy()
  await until('the last one is counted', () => count('GET /early') === 20)
})

/** A connection that is none of Node's sockets, as test tools inject requests. */
class Injected extends Duplex {
  answer = ''
  setTimeout () {}
  setNoDelay () {}
  setKeepAlive () {}
  _read () {}
  _write (chunk, encoding, callback) {
    this.answer += chunk.latin1Slice()
    callback()
  }
}

test('a request without a socket is counted once when its response closes, and released', async () => {
  const app = express()
  app.use(offheap(), offheap())
  const requests = []
  app.get('/injected', async (req, res) => {
    requests.push(new WeakRef(req))
    await undefined
    kept.push(track(Buffer.alloc(1_031)))
    res.end('ok')
  })
  const server = http.createServer(app)
  let connection = new Injected()
  server.emit('connection', connection)
  for (let n = 1; n <= 3; n++) {
    connection.push(`GET /injected ${HEAD}`)
    await until('it is counted', () => count('GET /injected') === n)
  }
  assert.strictEqual(connection.answer.split('HTTP/1.1 200').length, 4)
  assert.strictEqual(liveBytes('GET /injected'), 3 * 1_031)

  connection.destroy()
  connection = undefined
  await until('the requests are collected', () => {
    global.gc()
    return requests.every((request) => request.deref() === undefined)
  })
  assert.strictEqual(count('GET /injected'), 3)
})

test('requests that another object stands for are counted when their connection closes, at the latest', async (t) => {
  const middleware = offheap()
  const { port } = await serve(t, (req, res) => middleware(new Proxy(req, {}), res, () => res.end()))
  const before = count('GET (no route)')

  await exchange(port, `GET / ${HEAD}`.repeat(250), 250)

  await until('all are counted', () => count('GET (no route)') === before + 250)
  await new Promise(setImmediate)
  assert.strictEqual(count('GET (no route)'), before + 250)
})

test('what other code publishes on the channel of sent responses does no harm', () => {
  const channel = require('node:diagnostics_channel').channel('http.server.response.finish')
  const uncaught = []
  const listener = (error) => uncaught.push(error)
  process.on('uncaughtException', listener)
  const broken = { get request () { throw new Error('from a getter') } }
  for (const message of [undefined, null, 5, {}, broken, { request: {}, socket: null }, { request: {}, socket: {} }]) channel.publish(message)
  return new Promise((resolve) => setImmediate(() => {
    process.off('uncaughtException', listener)
    assert.deepStrictEqual(uncaught, [])
    resolve()
  }))
})
