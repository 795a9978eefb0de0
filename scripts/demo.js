'use strict'

// The main job, end to end: a service with a leak in a process of its own, requests from this one, and what offheap says.
//
// Everything printed about the service is what it told: readings over HTTP (GET /debug/memory), events over IPC.

const { spawn } = require('node:child_process')
const fs = require('node:fs')
const http = require('node:http')
const os = require('node:os')
const path = require('node:path')
const { parseArgs } = require('node:util')

const USAGE = `Usage: npm run demo -- [options]

Starts examples/express-app, which leaks behind one of its routes, sends it requests, and prints what offheap sees.

  --seconds <n>  how long to send requests (default: 20; 3 to 3600)
  --port <n>     port of the service on the loopback (default: 0, a free one)
  --help         this text
`

const SERVER = path.join(__dirname, '..', 'examples', 'express-app', 'server.js')

// Requests in the whole time, however long it is: the threshold is crossed before the middle.
const REQUESTS = 1280

// A machine that is too busy for them gets so much longer to get there.
const GRACE_SECONDS = 30
const EXTERNAL_LIMIT = '64MB'

// In turns: one request in four is for a report, the others go to routes that do not leak.
const ROUTES = [
  (number) => `/reports/${number % 50}?session=${number}`,
  (number) => `/items/${number}`,
  (number) => `/thumbnails/${number}`,
  () => '/health'
]

const MAX_IN_FLIGHT = 32
const SNAPSHOT_WAIT_MS = 120_000

async function main () {
  const options = parse(process.argv.slice(2))
  if (typeof options === 'number') return options

  const screen = new Screen()
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'offheap-demo-'))
  const service = startService(options.port, directory, Math.min(500, options.seconds * 25))
  const interrupt = new AbortController()
  const onSignal = (signal) => interrupt.abort(signal)
  process.on('SIGINT', onSignal)
  process.on('SIGTERM', onSignal)
  try {
    return await show(service, options, interrupt.signal, screen)
  } catch (error) {
    screen.end()
    if (!interrupt.signal.aborted) throw error
    process.stderr.write('demo: interrupted\n')
    return interrupt.signal.reason === 'SIGINT' ? 130 : 143
  } finally {
    screen.end()
    await service.stop()
    process.off('SIGINT', onSignal)
    process.off('SIGTERM', onSignal)
    // Empty, unless a snapshot came.
    if (fs.readdirSync(directory).length === 0) fs.rmdirSync(directory)
  }
}

function parse (argv) {
  let values
  try {
    values = parseArgs({ args: argv, options: { seconds: { type: 'string' }, port: { type: 'string' }, help: { type: 'boolean' } } }).values
    if (values.help) {
      process.stdout.write(USAGE)
      return 0
    }
    return { seconds: whole('seconds', values.seconds ?? '20', 3, 3600), port: whole('port', values.port ?? '0', 0, 65_535) }
  } catch (error) {
    process.stderr.write(`demo: ${error.message}\n\n${USAGE}`)
    return 2
  }
}

function whole (name, text, min, max) {
  const value = Number(text)
  if (!/^\d+$/.test(text) || value < min || value > max) throw new Error(`--${name} needs a whole number from ${min} to ${max}, received "${text}"`)
  return value
}

async function show (service, { seconds }, signal, screen) {
  const port = await service.listening(signal)
  screen.line(`service: process ${service.pid}, http://127.0.0.1:${port}, a heap snapshot is to be written at ${EXTERNAL_LIMIT} of external memory`)
  const client = new Client(port)
  signal.addEventListener('abort', () => client.close(), { once: true })
  const before = await client.reading()

  let triggered
  service.on('triggered', (event) => {
    triggered = event
    screen.line(`threshold: ${event.metric} is at ${megabytes(event.metricBytes)} of ${megabytes(event.thresholdBytes)}; snapshot: ${event.snapshot}`)
  })
  service.on('snapshotWritten', (event) => screen.line(`snapshot: written, ${megabytes(event.byteLength)}`))

  const begun = performance.now()
  const elapsed = () => (performance.now() - begun) / 1000
  const over = () => signal.aborted || service.failure() !== undefined ||
    (elapsed() >= seconds && (triggered !== undefined || elapsed() >= seconds + GRACE_SECONDS))
  const load = client.send(REQUESTS / seconds, over)
  while (!over()) {
    await Promise.race([pause(screen.intervalMs, signal), service.ended])
    const reading = await client.reading().catch((error) => { throw service.failure() ?? error })
    screen.progress(progress(elapsed(), seconds, before, reading))
  }
  const failed = await load

  const snapshot = await service.snapshot(signal, triggered)
  const after = await client.reading()
  client.close()

  if (failed > 0) screen.line(`${failed} requests failed`)
  screen.line('')
  for (const line of verdict(before, after, snapshot)) screen.line(line)
  return 0
}

function progress (elapsed, seconds, before, { memory, externalAllocations, requestCounts }) {
  const width = 20
  const done = Math.round(width * Math.min(elapsed / seconds, 1))
  const requests = Object.values(requestCounts).reduce((sum, count) => sum + count, 0)
  const [name, { grownBytes }] = grown(before.externalAllocations.routes, externalAllocations.routes)[0] ?? ['no route', { grownBytes: 0 }]
  return `${'█'.repeat(done)}${'░'.repeat(width - done)} ${elapsed.toFixed(0).padStart(String(seconds).length)} s  ` +
    `${requests} requests  external ${megabytes(memory.external)}  tracked ${megabytes(memory.trackedExternalBytes)}  ${name} +${megabytes(grownBytes)}`
}

function verdict (before, after, snapshot) {
  const [route] = grown(before.externalAllocations.routes, after.externalAllocations.routes)
  const [label] = grown(before.externalAllocations.labels, after.externalAllocations.labels)
  if (route === undefined || label === undefined) throw new Error('no live bytes grew')
  const requests = after.requestCounts[route[0]] - (before.requestCounts[route[0]] ?? 0)
  return [
    `route:    ${route[0]}: live bytes ${fromTo(route[1])}, ${kilobytes(route[1].grownBytes / requests)} for each of its ${requests} requests`,
    `label:    ${label[0]}: live bytes ${fromTo(label[1])}, ${label[1].grownCount} more alive`,
    `snapshot: ${snapshot.file}, ${megabytes(snapshot.byteLength)}`,
    `pause:    the JS thread stood still for ${snapshot.pauseMs.toFixed(snapshot.pauseMs < 10 ? 1 : 0)} ms (${snapshot.mode})`
  ]
}

/** The tallies whose live bytes grew, those that grew most first. */
function grown (before, after) {
  return Object.entries(after)
    .map(([name, { liveBytes, liveCount }]) => {
      const { liveBytes: beforeBytes, liveCount: beforeCount } = before[name] ?? { liveBytes: 0, liveCount: 0 }
      return [name, { beforeBytes, afterBytes: liveBytes, grownBytes: liveBytes - beforeBytes, grownCount: liveCount - beforeCount }]
    })
    .filter(([, { grownBytes }]) => grownBytes > 0)
    .sort(([, a], [, b]) => b.grownBytes - a.grownBytes)
}

function fromTo ({ beforeBytes, afterBytes }) {
  return `${megabytes(beforeBytes)} → ${megabytes(afterBytes)}`
}

function megabytes (bytes) {
  return `${(bytes / 1e6).toFixed(1)} MB`
}

function kilobytes (bytes) {
  return `${(bytes / 1e3).toFixed(1)} kB`
}

function pause (ms, signal) {
  return new Promise((resolve, reject) => {
    const stop = () => {
      clearTimeout(timer)
      reject(new Error('interrupted'))
    }
    const timer = setTimeout(() => {
      signal.removeEventListener('abort', stop)
      resolve()
    }, ms)
    if (signal.aborted) stop()
    else signal.addEventListener('abort', stop, { once: true })
  })
}

/** On a terminal the progress is one line that is written anew; in a pipe it is a line each second. */
class Screen {
  #terminal = process.stdout.isTTY === true
  #open = false
  intervalMs = this.#terminal ? 200 : 1000

  progress (text) {
    if (!this.#terminal) {
      process.stdout.write(`${text}\n`)
      return
    }
    // A line that wraps could not be written anew.
    process.stdout.write(`\r\x1b[K${text.slice(0, process.stdout.columns - 1)}`)
    this.#open = true
  }

  line (text) {
    this.end()
    process.stdout.write(`${text}\n`)
  }

  end () {
    if (this.#open) process.stdout.write('\n')
    this.#open = false
  }
}

function startService (port, directory, sampleIntervalMs) {
  const child = spawn(process.execPath, [SERVER], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    env: { ...process.env, PORT: String(port), EXTERNAL_LIMIT, SAMPLE_INTERVAL_MS: String(sampleIntervalMs), SNAPSHOT_DIRECTORY: directory }
  })
  const events = {}
  const listeners = {}
  child.on('message', (message) => {
    events[message.event] ??= message
    listeners[message.event]?.(message)
  })
  let failure
  const ended = new Promise((resolve) => {
    const end = (text) => {
      failure ??= new Error(text)
      resolve()
    }
    child.once('error', (error) => end(`the service could not be started: ${error.message}`))
    child.once('exit', (code, signal) => end(`the service ended (${signal ?? `code ${code}`})`))
  })

  /** The first event of a name; rejects when the service ends first, or reports an error. */
  const first = (name, signal, limitMs, what) => new Promise((resolve, reject) => {
    const finish = (settle, value) => {
      clearTimeout(timer)
      clearInterval(look)
      settle(value)
    }
    const timer = setTimeout(() => finish(reject, new Error(`${what} within ${limitMs / 1000} s`)), limitMs)
    const check = () => {
      if (events[name] !== undefined) finish(resolve, events[name])
      else if (signal.aborted) finish(reject, new Error('interrupted'))
      else if (failure !== undefined) finish(reject, failure)
      else if (events.error !== undefined) finish(reject, new Error(`the service reports ${events.error.code}: ${events.error.message}`))
    }
    const look = setInterval(check, 20)
  })

  return {
    pid: child.pid,
    ended,
    failure: () => failure,
    on: (name, listener) => { listeners[name] = listener },
    listening: async (signal) => (await first('listening', signal, 30_000, 'the service did not listen')).port,
    snapshot: (signal, triggered) => triggered === undefined
      // Two samples more may be under way.
      ? first('snapshotWritten', signal, 5_000, 'the threshold was not crossed, and no heap snapshot was written')
      : first('snapshotWritten', signal, SNAPSHOT_WAIT_MS, 'no heap snapshot was written'),
    stop: async () => {
      if (failure !== undefined) return
      child.kill('SIGTERM')
      // A thread that is writing a snapshot does not hear it.
      const timer = setTimeout(() => child.kill('SIGKILL'), 3_000)
      await ended
      clearTimeout(timer)
    }
  }
}

class Client {
  #agent = new http.Agent({ keepAlive: true, maxSockets: MAX_IN_FLIGHT + 1 })
  #port

  constructor (port) {
    this.#port = port
  }

  async reading () {
    const { status, body } = await this.#get('/debug/memory')
    if (status !== 200) throw new Error(`GET /debug/memory answered ${status}`)
    return JSON.parse(body)
  }

  /** Sends this number of requests a second, or as many as the service takes, until `over()`. Returns how many failed. */
  async send (perSecond, over) {
    const begun = performance.now()
    const pending = new Set()
    let sent = 0
    let failed = 0
    while (!over()) {
      const due = perSecond * (performance.now() - begun) / 1000
      while (sent < due && pending.size < MAX_IN_FLIGHT) {
        const request = this.#get(ROUTES[sent % ROUTES.length](Math.floor(sent / ROUTES.length)))
          .then(({ status }) => { if (status !== 200) failed++ }, () => { failed++ })
          .finally(() => pending.delete(request))
        pending.add(request)
        sent++
      }
      await new Promise((resolve) => setTimeout(resolve, 5))
    }
    await Promise.all(pending)
    return failed
  }

  #get (url) {
    return new Promise((resolve, reject) => {
      const request = http.get({ host: '127.0.0.1', port: this.#port, path: url, agent: this.#agent }, (response) => {
        const chunks = []
        response.on('data', (chunk) => chunks.push(chunk))
        response.on('error', reject)
        response.on('end', () => resolve({ status: response.statusCode, body: Buffer.concat(chunks).toString() }))
      })
      request.on('error', reject)
    })
  }

  close () {
    this.#agent.destroy()
  }
}

main().then((code) => { process.exitCode = code }, (error) => {
  process.stderr.write(`demo: ${error.message}\n`)
  process.exitCode = 1
})
