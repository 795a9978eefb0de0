'use strict'

// What does it cost to have offheap in a process that does not call it? Start, processor time, resident memory, and memory per worker thread, against
// the same process without offheap. Each measurement is a process of its own, in turns.
//
// Two hosts: an empty script, and one that has required Express. The empty one pays for pages of Node's executable and for compiled functions of
// Node's loader that any service has in use already, so the price in a service is that of the second.

const { execFileSync } = require('node:child_process')
const path = require('node:path')
const { interleave, median, quantile } = require('./helpers.js')

const CHILD = path.join(__dirname, 'workers', 'load.js')
const REGISTER = path.join(__dirname, '..', 'lib', 'faces', 'register.js')

const HOSTS = { 'empty script': 'empty', 'express service': 'express' }
const OFF = { OFFHEAP_ADDONS: '0', OFFHEAP_TRACK_BUFFERS: '0' }

/** What is loaded, by name: by `-r`, with these variables, or by `require`. */
const LOADED = {
  'without offheap': {},
  "require('offheap')": { requires: 'index.js' },
  '-r offheap/register': { preload: REGISTER },
  'register, OFFHEAP_TRACK_BUFFERS=0': { preload: REGISTER, variables: { OFFHEAP_TRACK_BUFFERS: '0' } },
  'register, OFFHEAP_ADDONS=0': { preload: REGISTER, variables: { OFFHEAP_ADDONS: '0' } },
  'register, both off': { preload: REGISTER, variables: OFF },
  "require('offheap/express')": { requires: 'lib/faces/express.js' }
}
const PLAIN = 'without offheap'

const GOALS = { cpuMs: 15, rssMb: 6, workerMb: 1 }

module.exports = async function ({ rounds }) {
  const rows = []
  for (const [hostName, host] of Object.entries(HOSTS)) {
    const measured = await interleave(rounds, Object.fromEntries(Object.entries(LOADED).map(([name, loaded]) => [name, () => run(host, loaded)])))
    for (const [name, runs] of Object.entries(measured)) {
      const all = (figure) => runs.map((one) => one[figure])
      const row = { name: `${hostName}, ${name}`, startMs: round(median(all('startMs'))), cpuMs: round(median(all('cpuMs'))), rssMb: round(median(all('rssMb'))) }
      if (name !== PLAIN) {
        // Of each round the difference to the process without offheap of the same round.
        const more = (figure) => runs.map((one, index) => one[figure] - measured[PLAIN][index][figure])
        row.moreStartMs = round(median(more('startMs')))
        row.moreCpuMs = round(median(more('cpuMs')))
        row.moreCpuQuartiles = quartiles(more('cpuMs'))
        // Other work on the machine only adds to it.
        row.leastCpuMs = round(Math.min(...all('cpuMs')) - Math.min(...measured[PLAIN].map(({ cpuMs }) => cpuMs)))
        row.moreRssMb = round(median(more('rssMb')))
        row.moreRssQuartiles = quartiles(more('rssMb'))
        row.privateMb = round(median(more('privateMb')))
        row.workerMb = round(median(more('workerMb')))
        row.workerPrivateMb = round(median(more('workerPrivateMb')))
      }
      rows.push(row)
    }
  }
  return {
    rows,
    notes: [
      'leastCpuMs: the difference of the shortest runs.',
      `Goals: moreCpuMs ≤ ${GOALS.cpuMs}, moreRssMb ≤ ${GOALS.rssMb}, workerMb ≤ ${GOALS.workerMb}.`,
      'more…: the difference to the process without offheap of the same round, median and quartiles. cpuMs is the time of all threads, V8\'s compilers included.',
      'privateMb is what of moreRssMb belongs to this process alone. The rest are pages of files (Node\'s executable, offheap.node), which processes share.',
      'workerMb: what each of four worker threads adds to the resident set, beyond a worker without offheap; with require(), the worker requires it too.'
    ]
  }
}

function run (host, { requires = '', preload, variables = {} }) {
  const { OFFHEAP_ADDONS, OFFHEAP_TRACK_BUFFERS, NODE_OPTIONS, ...env } = process.env
  const args = [...(preload === undefined ? [] : ['-r', preload]), CHILD, host, requires]
  return JSON.parse(execFileSync(process.execPath, args, { env: { ...env, ...variables }, encoding: 'utf8' }))
}

function quartiles (values) {
  return `${round(quantile(values, 0.25))} to ${round(quantile(values, 0.75))}`
}

function round (value) {
  return Math.round(value * 100) / 100
}
