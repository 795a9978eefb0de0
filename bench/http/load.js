'use strict'

// The load generator, in a process of its own. Each line of standard input is a job, { port, path, connections, ms }; each
// line of standard output is its result, { count, requestsPerSecond, p50Ms, p99Ms }. Keep-alive connections over the loopback, on
// each of which the next request goes out when the answer to the last is complete. No http client: the less this costs, the
// more of what is measured is the server.

const net = require('node:net')
const readline = require('node:readline')
const { quantile } = require('../helpers.js')

readline.createInterface({ input: process.stdin }).on('line', async (line) => {
  process.stdout.write(`${JSON.stringify(await run(JSON.parse(line)))}\n`)
})

async function run ({ port, path, connections, ms }) {
  const latencies = []
  const begun = performance.now()
  const end = begun + ms
  await Promise.all(Array.from({ length: connections }, (_, index) => connection(port, `${path}/${index}`, end, latencies)))
  const seconds = (performance.now() - begun) / 1000
  return { count: latencies.length, requestsPerSecond: latencies.length / seconds, p50Ms: quantile(latencies, 0.5), p99Ms: quantile(latencies, 0.99) }
}

function connection (port, path, end, latencies) {
  const request = `GET ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n`
  return new Promise((resolve, reject) => {
    let head = ''
    let missing = -1
    let sentAt = 0
    const socket = net.connect({ port, host: '127.0.0.1', noDelay: true })
    const send = () => {
      sentAt = performance.now()
      socket.write(request)
    }
    socket.on('connect', send)
    socket.on('error', reject)
    socket.on('close', resolve)
    socket.on('data', (chunk) => {
      let bodyBytes = chunk.length
      if (missing === -1) {
        const before = head.length
        head += chunk.latin1Slice()
        const bodyAt = head.indexOf('\r\n\r\n') + 4
        if (bodyAt === 3) return
        if (!head.startsWith('HTTP/1.1 200 ')) return socket.destroy(new Error(`the server answered ${head.split('\r\n')[0]}`))
        missing = Number(/\r\ncontent-length: (\d+)/i.exec(head)[1])
        bodyBytes = before + chunk.length - bodyAt
      }
      missing -= bodyBytes
      if (missing > 0) return
      missing = -1
      head = ''
      const now = performance.now()
      latencies.push(now - sentAt)
      if (now < end) send()
      else socket.destroy()
    })
  })
}
