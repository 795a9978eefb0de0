'use strict'

// From a leak to the line: two snapshots of one process, compared. Runs in a few seconds.

const fs = require('node:fs')
const os = require('node:os')
const path = require('node:path')
const v8 = require('node:v8')
const { compareHeapSnapshots } = require('offheap/analysis')

class Session {
  constructor (user) {
    this.user = user
    this.visited = []
  }
}

// The bug: sessions are put in and never taken out.
const sessions = new Map()
globalThis.service = { handle: (user) => sessions.set(`${user}/${sessions.size}`, new Session(user)) }

async function main () {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'offheap-example-'))
  try {
    const before = v8.writeHeapSnapshot(path.join(folder, 'before.heapsnapshot'))
    for (let request = 0; request < 4812; request++) globalThis.service.handle(`user-${request % 100}`)
    const after = v8.writeHeapSnapshot(path.join(folder, 'after.heapsnapshot'))

    const { growth } = await compareHeapSnapshots(before, after)
    const [most] = growth
    console.log(`${most.bytes} bytes more: ${most.count} ${most.className}`)
    console.log(`  via ${most.path}`)
  } finally {
    fs.rmSync(folder, { recursive: true })
  }
}

main()
