'use strict'

// How many bytes a process has written to disk, scratch included: what tells slow from stuck, see `progress` of `runChild`.

const fs = require('node:fs')

function writtenBytes (pid) {
  return Number(/^write_bytes: (\d+)/m.exec(read(`/proc/${pid}/io`))?.[1] ?? 0)
}

/** Those of the process and of its children, as long as they are there. */
function writtenBytesOfFamily (pid) {
  const children = threads(pid).flatMap((thread) => read(`/proc/${pid}/task/${thread}/children`).split(' ').filter(Boolean))
  return [pid, ...children].reduce((sum, member) => sum + writtenBytes(member), 0)
}

function threads (pid) {
  try {
    return fs.readdirSync(`/proc/${pid}/task`)
  } catch {
    return []
  }
}

/** Empty for what is gone. */
function read (file) {
  try {
    return fs.readFileSync(file, 'latin1')
  } catch {
    return ''
  }
}

module.exports = { writtenBytes, writtenBytesOfFamily }
