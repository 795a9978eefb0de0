'use strict'

// Which writer a snapshot gets: the probe's child, this process, or one after the other.

const { OffheapError } = require('../../base/errors.js')
const { unsupportedReason } = require('../../probe/supported.js')
const { writeSnapshotInProbe } = require('../../probe/write-snapshot.js')
const ids = require('./ids.js')
const { writeInProcess } = require('./in-process.js')
const { inTurn } = require('./turn.js')

/**
 * Failures after which a snapshot in the process may still succeed. Not among them: no headroom and a crashed child (the
 * process would die of what the child was spared or died of), a timeout (the service would stand still for as long), and
 * whatever the disk did.
 */
const worthAnotherWay = new Set(['ERR_OFFHEAP_UNSUPPORTED_PLATFORM', 'ERR_OFFHEAP_PROBE_FAILED', 'ERR_OFFHEAP_PROBE_DEADLOCK'])

/**
 * @param {{ mode: string, fallback: boolean, scratch: string, timeoutMs: number }} settings checked
 * @returns {import('./take.js').Writer}
 */
function writerFor ({ mode, fallback, scratch, timeoutMs }) {
  if (mode === 'in-process') return inProcess
  return async (job) => {
    try {
      const reason = unsupportedReason()
      if (reason !== null) {
        throw new OffheapError('ERR_OFFHEAP_UNSUPPORTED_PLATFORM',
          `A snapshot that does not stop the service is not possible here: ${reason}. Pass fallback: true, or mode: 'in-process', to write one that does`)
      }
      const written = await inTurn(job.signal, timeoutMs, (timeLeftMs) => writeSnapshotInProbe({ ...job, scratch, timeoutMs: timeLeftMs }))
      // What the child compresses has several members, and a gzip file tells only the last one's size.
      return { ...written, contentBytes: job.gzip ? null : written.contentBytes, comparableIds: ids.areGiven() }
    } catch (error) {
      if (mode !== 'auto' || !fallback || !worthAnotherWay.has(error.code)) throw error
      return inProcess(job)
    }
  }
}

async function inProcess (job) {
  const written = await writeInProcess(job)
  ids.given()
  return { ...written, comparableIds: true }
}

module.exports = { writerFor }
