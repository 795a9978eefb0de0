'use strict'

// What the middleware costs a service at full load: throughput and p99 of the same Express service without offheap, with the
// middleware that only serves the reading, with the default, and with `routes: 'always'`.
//
// On a machine that others use too, throughput says who else was running. The server's own CPU time per request does not, so
// that is what the ratio is of.
//
// Each variant is a process of its own, the load comes from one more, and the variants take turns. A ratio is taken between
// two neighbours in time, and the median of those is what counts.
//
// A ratio of two noisy times says little about one per cent. So a sampling profiler also says which share of the thread's time is spent in
// offheap's functions and in what they call, `next()` excepted. This does not depend on the machine's mood. It leaves out what offheap makes
// others pay: garbage, and AsyncLocalStorage in each promise.

const { spawn } = require('node:child_process')
const path = require('node:path')
const readline = require('node:readline')
const { interleave, median, quantile } = require('./helpers.js')

const VARIANTS = { plain: 'without offheap', served: 'routes: false', routes: 'defaults', always: "routes: 'always'" }
/** Of the defaults: by handler, and where it differs by the line of Node. */
const GOALS = { '/json': Number(process.versions.node.split('.')[0]) >= 24 ? 1.01 : 1.02, '/buffer': 1.05 }
const HANDLERS = { '/json': 'JSON', '/buffer': 'a tracked 4 KiB Buffer, async' }
const CONNECTIONS = 16
const ROUNDS_PER_FLEET = 2
// A round is cut into slices, and the lower quartile of them is what counts: other work on the machine only ever adds to a time.
const SLICES = 7

module.exports = async function express ({ rounds, long }) {
  const ms = long ? 3000 : 700
  const results = {}
  for (let done = 0; done < rounds; done += ROUNDS_PER_FLEET) await withFleet(ms, Math.min(ROUNDS_PER_FLEET, rounds - done), results)
  const rows = []
  for (const [handler, what] of Object.entries(HANDLERS)) {
    for (const [variant, name] of Object.entries(VARIANTS)) {
      const { measured, shares } = results[handler][variant]
      rows.push({
        ...row(`${what}: ${name}`, measured, results[handler].plain.measured, variant === 'plain'),
        ...(variant === 'routes' && { goal: GOALS[handler] }),
        ...(variant !== 'plain' && { ownShare: median(shares) })
      })
    }
  }
  return {
    rows,
    notes: [
      `${CONNECTIONS} keep-alive connections, ${ms} ms a round, of which the lower quartile of ${SLICES} slices counts, the server and the load in processes of their own on one machine; new processes after every ${ROUNDS_PER_FLEET} rounds.`,
      'ratio: CPU time of the server per request, with ÷ without, the median of the rounds; low and high are its quartiles. goal: of this ratio.',
      'ownShare: the share of the time of the JavaScript thread in functions of offheap and in what they call, by a sampling profiler.',
      'timeRatio and p99Ratio are the same for the time per request (throughput, inverted) and its 99th percentile.',
      'Without offheap the Buffer is not tracked: the ratio holds the whole cost.'
    ]
  }
}

/** Measures in processes of their own. What the compiler makes of a service differs from process to process by more than what is measured here. */
async function withFleet (ms, rounds, results) {
  const load = new Process('load.js')
  const servers = {}
  try {
    for (const variant of Object.keys(VARIANTS)) {
      servers[variant] = new Process('server.js', variant)
      servers[variant].port = Number(await servers[variant].line())
    }
    const slice = async (server, handler) => {
      const before = await server.cpuUs()
      load.write(JSON.stringify({ port: server.port, path: handler, connections: CONNECTIONS, ms: ms / SLICES }))
      const result = JSON.parse(await load.line())
      return { ...result, cpuUs: (await server.cpuUs() - before) / result.count }
    }
    const measure = async (variant, handler) => {
      const slices = []
      for (let n = 0; n < SLICES; n++) slices.push(await slice(servers[variant], handler))
      const lowest = (figure) => quantile(slices.map((result) => result[figure]), 0.25)
      return { cpuUs: lowest('cpuUs'), p50Ms: lowest('p50Ms'), p99Ms: lowest('p99Ms'), requestsPerSecond: quantile(slices.map((result) => result.requestsPerSecond), 0.75) }
    }
    const share = async (variant, handler) => {
      const server = servers[variant]
      server.write('profile')
      await server.line()
      load.write(JSON.stringify({ port: server.port, path: handler, connections: CONNECTIONS, ms }))
      await load.line()
      server.write('stop')
      return Number(await server.line())
    }
    for (const handler of Object.keys(HANDLERS)) {
      const measured = await interleave(rounds, Object.fromEntries(Object.keys(VARIANTS).map((variant) => [variant, () => measure(variant, handler)])))
      results[handler] ??= Object.fromEntries(Object.keys(VARIANTS).map((variant) => [variant, { measured: [], shares: [] }]))
      for (const variant of Object.keys(VARIANTS)) {
        results[handler][variant].measured.push(...measured[variant])
        if (variant !== 'plain') results[handler][variant].shares.push(await share(variant, handler))
      }
    }
  } finally {
    for (const child of [load, ...Object.values(servers)]) await child.end()
  }
}

function row (name, ours, theirs, isBase) {
  const values = {
    name,
    requestsPerSecond: Math.round(median(ours.map(({ requestsPerSecond }) => requestsPerSecond))),
    cpuUs: median(ours.map(({ cpuUs }) => cpuUs)),
    p50Ms: median(ours.map(({ p50Ms }) => p50Ms)),
    p99Ms: median(ours.map(({ p99Ms }) => p99Ms))
  }
  if (isBase) return values
  const ratios = (of) => ours.map((result, round) => of(result) / of(theirs[round]))
  const cpu = ratios(({ cpuUs }) => cpuUs)
  return {
    ...values,
    ratio: median(cpu),
    low: quantile(cpu, 0.25),
    high: quantile(cpu, 0.75),
    timeRatio: median(ratios(({ requestsPerSecond }) => 1 / requestsPerSecond)),
    p99Ratio: median(ratios(({ p99Ms }) => p99Ms))
  }
}

class Process {
  #child
  #lines
  #ended

  constructor (script, ...args) {
    this.#child = spawn(process.execPath, [path.join(__dirname, 'http', script), ...args], {
      stdio: ['pipe', 'pipe', 'inherit'],
      env: { ...process.env, NODE_ENV: 'production' }
    })
    this.#ended = new Promise((resolve) => this.#child.once('close', resolve))
    this.#lines = readline.createInterface({ input: this.#child.stdout })[Symbol.asyncIterator]()
  }

  write (text) {
    this.#child.stdin.write(`${text}\n`)
  }

  async line () {
    const { value, done } = await this.#lines.next()
    if (done) throw new Error('a process of the benchmark ended early')
    return value
  }

  async cpuUs () {
    this.write('')
    return Number(await this.line())
  }

  async end () {
    this.#child.stdin.end()
    await this.#ended
  }
}
