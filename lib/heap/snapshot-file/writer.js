'use strict'

// Chooses the writer of a snapshot: a child of the probe, this process, or first the one and then the other.

const { childOrHere } = require('../../probe/child-or-here.js')
const { writeSnapshotInProbe } = require('./in-probe.js')
const ids = require('./ids.js')
const { writeInProcess } = require('./in-process.js')

/**
 * @param {{ mode: string, fallback: boolean, scratch: string, timeoutMs: number }} settings checked
 * @returns {import('./take.js').Writer}
 */
function writerFor ({ mode, fallback, scratch, timeoutMs }) {
  return (job) => childOrHere({ mode, fallback }, {
    said: ['A snapshot', 'write'],
    timeoutMs,
    signal: job.signal,
    inChild: async (timeLeftMs) => {
      const written = await writeSnapshotInProbe({ ...job, scratch, timeoutMs: timeLeftMs })
      // The child writes a gzip file of several members, and such a file contains only the size of the last member.
      return { ...written, contentBytes: job.gzip ? null : written.contentBytes, comparableIds: ids.areGiven() }
    },
    here: () => inProcess(job)
  })
}

async function inProcess (job) {
  const written = await writeInProcess(job)
  ids.given()
  return { ...written, comparableIds: true }
}

module.exports = { writerFor }
