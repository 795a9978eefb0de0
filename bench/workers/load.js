'use strict'

// One process of bench/load.js. Arguments: the host (`empty` or `express`), and the file of offheap that it requires, or nothing. Prints JSON: how long
// the start took, the processor time, the resident set, and what each worker adds to it.

const path = require('node:path')

const WORKERS = 4
const [host, requires] = process.argv.slice(2)

if (requires !== '') require(path.join(__dirname, '..', '..', requires))
if (host === 'express') require('express')().get('/', (req, res) => res.send('served'))
// Not performance.now(), which would load a module that offheap may have loaded too.
const startMs = process.uptime() * 1000

setTimeout(measure, 50)

async function measure () {
  const { user, system } = process.cpuUsage()
  const { rss, anonymous } = resident()
  const workers = await startWorkers()
  const after = resident()
  process.stdout.write(JSON.stringify({
    startMs,
    cpuMs: (user + system) / 1000,
    rssMb: rss / 1e6,
    privateMb: anonymous / 1e6,
    workerMb: (after.rss - rss) / WORKERS / 1e6,
    workerPrivateMb: (after.anonymous - anonymous) / WORKERS / 1e6
  }))
  for (const worker of workers) worker.postMessage('end')
}

/** Workers that wait. They are there when each has sent its message and has been idle for a moment. */
async function startWorkers () {
  const { Worker } = require('node:worker_threads')
  const load = requires === '' ? '' : `require(${JSON.stringify(path.join(__dirname, '..', '..', requires))})`
  const text = `${load}; require('node:worker_threads').parentPort.on('message', () => process.exit()).postMessage('ready')`
  const workers = []
  for (let count = 0; count < WORKERS; count++) {
    const worker = new Worker(text, { eval: true })
    await new Promise((resolve, reject) => worker.once('message', resolve).once('error', reject))
    workers.push(worker)
  }
  await new Promise((resolve) => setTimeout(resolve, 100))
  return workers
}

/** What the kernel counts as resident, and what of it belongs to this process alone, in bytes. */
function resident () {
  const text = require('node:fs').readFileSync('/proc/self/smaps_rollup', 'latin1')
  const of = (name) => Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(text)[1]) * 1024
  return { rss: of('Rss'), anonymous: of('Anonymous') }
}
