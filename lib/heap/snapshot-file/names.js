'use strict'

// The names of snapshot files. All code that deletes a file checks here first whether its name is one of offheap's.
//
//   heap-20261121T013059.123Z-pid1234-thread0-rss.heapsnapshot[.gz]
//   heap-20261121T013059.123Z-pid1234-thread0-rss.report.json and .txt        the report on it
//   <that>.pid1234-0f3a9c41-7.partial        while it is written: process number, process token, running number

const { threadId } = require('../../base/thread.js')
const binding = require('../../base/load.js')

const SNAPSHOT = /^heap-(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d\.\d{3})Z-pid\d+-thread\d+-[\w-]+\.(?:heapsnapshot(?:\.gz)?|report\.json|report\.txt)$/
const PARTIAL = /^(.+)\.pid(\d+)-([0-9a-f]{8})-\d+(?:-raw)?\.partial$/

const ENDING = /\.(?:heapsnapshot(?:\.gz)?|report\.json|report\.txt)$/

let last = 0

/** The name of a snapshot that begins now. */
function snapshotName ({ reason, gzip, at = new Date() }) {
  const time = at.toISOString().replaceAll(/[-:]/g, '')
  return `heap-${time}-pid${process.pid}-thread${threadId}-${slug(reason)}.heapsnapshot${gzip ? '.gz' : ''}`
}

/** A reason without characters that are unsafe in a file name. */
function slug (reason) {
  return reason.replaceAll(/[^A-Za-z0-9_]+/g, '-').slice(0, 40).replaceAll(/^-+|-+$/g, '') || 'unnamed'
}

/** The name of a file while it is written. */
function partialName (name) {
  return `${name}.pid${process.pid}-${binding.processToken()}-${++last}.partial`
}

/** The common part of the names of a snapshot and its reports. */
function stem (name) {
  return name.replace(ENDING, '')
}

/** The name of a report on a snapshot, beside it. */
function reportName (snapshot, ending) {
  return `${stem(snapshot)}.report.${ending}`
}

/** When a snapshot was begun, in ms since 1970, from its name or that of a report; undefined for any other file. */
function snapshotTime (name) {
  const parts = SNAPSHOT.exec(name)
  if (parts === null) return undefined
  const [, year, month, day, hour, minute, second] = parts
  const time = Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`)
  return Number.isNaN(time) ? undefined : time
}

/** The final name of a temporary file, and the process that writes or wrote it; undefined for any other file. */
function parsePartial (name) {
  const parts = PARTIAL.exec(name)
  if (parts === null) return undefined
  return { target: parts[1], pid: Number(parts[2]), token: parts[3] }
}

module.exports = { parsePartial, partialName, reportName, snapshotName, snapshotTime, stem }
