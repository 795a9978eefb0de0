'use strict'

// A memory cgroup of the test's own that dies as a whole: `memory.oom.group=1`, as Kubernetes sets it from 1.28 on.
// cgroup v1 has no such switch. There the kernel's count of kills in the group is watched from outside, and when it
// rises everything in the group is killed, by id.

const { spawn } = require('node:child_process')
const fs = require('node:fs')
const http = require('node:http')
const path = require('node:path')
const { untilDead } = require('./dead.js')
const { ended } = require('../../helpers/child.js')
const { fixtures } = require('./node.js')
const { writtenBytes } = require('./written.js')

/** How often the count of kills is looked at; the verdict does not depend on it, only how long the group outlives one. */
const LOOK_MS = 5

/** The group, or undefined (and the test is skipped) where none can be made. */
function memoryCgroup (t) {
  for (const parent of ['/sys/fs/cgroup/memory', '/sys/fs/cgroup']) {
    const folder = path.join(parent, `offheap-test-${process.pid}`)
    try {
      fs.mkdirSync(folder)
    } catch {
      continue
    }
    const group = [V1, V2].find(({ limit }) => fs.existsSync(path.join(folder, limit)))
    if (group === undefined) {
      fs.rmdirSync(folder)
      continue
    }
    const made = new group.Cgroup(folder)
    t.after(() => made.remove())
    return made
  }
  t.skip('no memory cgroup can be made here')
}

class Cgroup {
  constructor (folder) {
    this.folder = folder
    // Where there is swap a process that overruns the limit is slow instead of dead.
    for (const [name, none] of [['memory.swap.max', '0'], ['memory.swappiness', '0']]) {
      if (fs.existsSync(path.join(folder, name))) fs.writeFileSync(path.join(folder, name), none)
    }
  }

  /** The processes in it. */
  pids () {
    return fs.readFileSync(path.join(this.folder, 'cgroup.procs'), 'utf8').split('\n').filter(Boolean).map(Number)
  }

  /** What its processes have written to disk, scratch included: a count that goes on while anything does. */
  writtenBytes () {
    return this.pids().reduce((sum, pid) => sum + writtenBytes(pid), 0)
  }

  /** Also where the test failed: what still runs in it was begun by the test. */
  async remove () {
    this.stopLooking()
    for (const pid of this.pids()) kill(pid)
    await removeWhenEmpty(this.folder)
  }

  stopLooking () {}

  count (file, name) {
    return Number(new RegExp(`^${name} (\\d+)$`, 'm').exec(fs.readFileSync(path.join(this.folder, file), 'utf8'))[1])
  }
}

class CgroupV1 extends Cgroup {
  #timer = setInterval(() => this.#look(), LOOK_MS)
  #died = false

  #look () {
    if (this.count('memory.oom_control', 'oom_kill') === 0) return
    this.#died = true
    for (const pid of this.pids()) kill(pid)
  }

  stopLooking () {
    clearInterval(this.#timer)
  }

  /** Whether the kernel killed in it, and so all that was in it. */
  diedAsAWhole () {
    this.stopLooking()
    this.#look()
    return this.#died
  }
}

class CgroupV2 extends Cgroup {
  constructor (folder) {
    super(folder)
    fs.writeFileSync(path.join(folder, 'memory.oom.group'), '1')
  }

  diedAsAWhole () {
    return this.count('memory.events', 'oom_group_kill') > 0
  }
}

const V1 = { limit: 'memory.limit_in_bytes', Cgroup: CgroupV1 }
const V2 = { limit: 'memory.max', Cgroup: CgroupV2 }

function kill (pid) {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // It has ended meanwhile.
  }
}

/** A process that was just killed may still be in it. */
async function removeWhenEmpty (folder) {
  for (let round = 0; round < 400; round++) {
    try {
      return fs.rmdirSync(folder)
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 25))
    }
  }
}

/**
 * Runs a fixture in it, which says first `{ port, beside }`: where it answers requests, and a process beside it in the
 * group. It is asked without pause until it answers 'settled', or is dead. Where the group died, so must the one beside it.
 * @returns {Promise<{ code: number | null, signal: string | null, stderr: string, said: any, groupDied: boolean, answered: number, failed: string[] }>}
 */
async function runInCgroup (group, fixture, args) {
  const join = `echo $$ > ${path.join(group.folder, 'cgroup.procs')} && exec "$0" "$@"`
  const child = spawn('sh', ['-c', join, process.execPath, path.join(fixtures, fixture), group.folder, ...args], {
    env: { ...process.env, NODE_OPTIONS: '' },
    stdio: ['ignore', 'pipe', 'pipe']
  })
  // How fast the disk is decides how long this takes: a minute without a byte written is the limit.
  const end = ended(child, { timeoutMs: 60_000, progress: () => group.writtenBytes(), mayBeKilled: true })
  let isOver = false
  end.then(() => { isOver = true })
  const first = await Promise.race([firstLine(child.stdout), end])
  if (first.port === undefined) throw new Error(`it did not say where it answers: ${first.stdout} ${first.stderr}`)
  const asked = await askUntilSettled(first.port, () => isOver)
  const result = await end
  const groupDied = group.diedAsAWhole()
  if (groupDied) await untilDead(first.beside)
  else process.kill(first.beside, 'SIGKILL')
  return { ...result, groupDied, ...asked }
}

function firstLine (stream) {
  return new Promise((resolve) => {
    let text = ''
    stream.on('data', function take (piece) {
      text += piece
      if (!text.includes('\n')) return
      stream.off('data', take)
      resolve(JSON.parse(text.slice(0, text.indexOf('\n'))))
    })
  })
}

/** Every other request on a connection of its own. */
async function askUntilSettled (port, isOver) {
  const agent = new http.Agent({ keepAlive: true })
  let answered = 0
  const failed = []
  for (let round = 0; !isOver(); round++) {
    try {
      const text = await ask({ port, agent: round % 2 === 0 && agent })
      answered++
      if (text === 'settled') break
    } catch (error) {
      failed.push(String(error))
    }
    // It is to be asked all the time, not to be kept from its work.
    await new Promise((resolve) => setTimeout(resolve, 2))
  }
  agent.destroy()
  return { answered, failed }
}

/** Not fetch(): in Node 22 one was seen that never settled after the server had been killed. */
function ask (options) {
  return new Promise((resolve, reject) => {
    http.get({ host: '127.0.0.1', ...options }, (response) => {
      let text = ''
      response.setEncoding('utf8').on('data', (piece) => { text += piece })
      response.once('end', () => resolve(text)).once('close', () => reject(new Error('the answer was cut off')))
    }).once('error', reject)
  })
}

module.exports = { memoryCgroup, runInCgroup }
