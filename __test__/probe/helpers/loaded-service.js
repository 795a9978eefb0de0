'use strict'

// A service under load, on four kinds of connections, while it takes snapshots.

const assert = require('node:assert')
const { fork } = require('node:child_process')
const fs = require('node:fs')
const http = require('node:http')
const https = require('node:https')
const os = require('node:os')
const path = require('node:path')
const { countClass } = require('../fixtures/snapshots.js')
const { fixtures } = require('./node.js')

/** One request; rejects on anything but a whole answer. */
function request (client, options, body) {
  return new Promise((resolve, reject) => {
    const start = performance.now()
    const sent = client.request({ host: '127.0.0.1', method: 'POST', ...options }, (response) => {
      let text = ''
      response.setEncoding('utf8').on('data', (piece) => { text += piece }).on('error', reject)
      response.on('end', () => {
        if (response.statusCode !== 200 || JSON.parse(text).echoed !== body.length) reject(new Error(`wrong answer: ${text.slice(0, 100)}`))
        else resolve(performance.now() - start)
      })
    })
    sent.on('error', reject)
    sent.end(body)
  })
}

/** Loads the service while it takes snapshots one after the other for `forMs`, and at least two. */
async function loaded (t, forMs) {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'offheap-probe-'))
  t.after(() => fs.rmSync(directory, { recursive: true, force: true }))
  const service = fork(path.join(fixtures, 'service.js'), { execArgv: [] })
  t.after(() => service.kill())
  const message = () => new Promise((resolve) => service.once('message', resolve))
  const { ports: [port, securePort], kept } = await message()

  // GIVEN keep-alive connections, new connections, and TLS ones
  const keepAlive = new http.Agent({ keepAlive: true, maxSockets: 2 })
  const secureKeepAlive = new https.Agent({ keepAlive: true, maxSockets: 2, rejectUnauthorized: false })
  const loads = [
    [http, { port, agent: keepAlive }],
    [http, { port, agent: false }],
    [https, { port: securePort, agent: secureKeepAlive }],
    [https, { port: securePort, agent: false, rejectUnauthorized: false }]
  ]
  const over = new AbortController()
  const times = []
  const failures = []
  const load = async ([client, options], index) => {
    const body = 'x'.repeat(1000 * (index + 1))
    while (!over.signal.aborted) {
      await request(client, options, body).then((time) => times.push(time), (error) => failures.push(error.message))
    }
  }
  const running = loads.map(load)

  // WHEN snapshots are taken one after the other
  service.send({ directory, forMs })
  const { results, servedMeanwhile, error } = await message()
  over.abort()
  await Promise.all(running)
  keepAlive.destroy()
  secureKeepAlive.destroy()

  // THEN no request failed, and each snapshot is whole
  assert.strictEqual(error, undefined)
  assert.deepStrictEqual(failures, [])
  assert.ok(servedMeanwhile > 0)
  times.sort((a, b) => a - b)
  const pauses = results.map((result) => result.pauseMs.toFixed(1))
  t.diagnostic(`${results.length} snapshots (pauses ${pauses.join(', ')} ms), ${times.length} requests, p99 ${times[Math.floor(times.length * 0.99)].toFixed(1)} ms`)
  for (const { temporaryPath } of results) assert.strictEqual(countClass(fs.readFileSync(temporaryPath), 'KeptByTheService'), kept)
}

module.exports = { loaded }
