'use strict'

// One size of the benchmark snapshot-pause.

const fs = require('node:fs')
const os = require('node:os')
const path = require('node:path')
const v8 = require('node:v8')
const { run } = require('../../lib/probe/run.js')
const { writeSnapshotInProbe } = require('../../lib/heap/snapshot-file/in-probe.js')
const { median } = require('../helpers.js')

const { heapMb, buffersMb, rounds, compares } = JSON.parse(process.argv[2])
const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'offheap-bench-'))

class Session { constructor (index) { this.id = index; this.user = `user ${index}`; this.seen = [index, index + 0.5]; this.tags = new Map([[index, 'tag']]) } }

function fill () {
  const kept = []
  while (process.memoryUsage().heapUsed < heapMb * 1e6) {
    for (let index = 0; index < 5000; index++) {
      kept.push(new Session(kept.length), { kind: 'entry', at: index * 1.5, text: `text ${index}` }, [index, index], () => index)
    }
  }
  const buffers = Array.from({ length: buffersMb }, () => Buffer.alloc(1e6, 1))
  return { kept, buffers }
}

/** What the service does: one unit is about 0.1 ms, with garbage. */
function unit () {
  let sum = 0
  for (let index = 0; index < 2000; index++) sum += JSON.stringify({ index, list: [index] }).length
  return sum
}

/** Units per second, for as long as `until` is not settled, on this thread. */
async function workUntil (until) {
  const over = new AbortController()
  const ended = until.finally(() => over.abort())
  const start = performance.now()
  let units = 0
  while (!over.signal.aborted) {
    for (let index = 0; index < 20; index++) unit()
    units += 20
    await new Promise(setImmediate)
  }
  const perSecond = units / (performance.now() - start) * 1000
  await ended
  return perSecond
}

function pssMb (pid) {
  try {
    return Number(/^Pss:\s+(\d+)/m.exec(fs.readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'))[1]) * 1024 / 1e6
  } catch {
    return 0
  }
}

async function main () {
  const held = fill()
  global.gc()
  const result = { name: `${heapMb} MB heap${buffersMb > 0 ? ` + ${buffersMb} MB Buffers` : ''}`, rssMb: Math.round(process.memoryUsage().rss / 1e6) }

  const seen = { excluded: [], everything: [] }
  for (let round = 0; round < rounds + 1; round++) {
    for (const excludeMemory of [true, false]) {
      const measured = await run({ work: () => 1, timeoutMs: 60_000, excludeMemory })
      // The first of each warms up.
      if (round > 0) seen[excludeMemory ? 'excluded' : 'everything'].push(measured)
    }
  }
  const medianOf = (list, key) => median(list.map((measured) => measured[key]))
  Object.assign(result, {
    pauseMs: medianOf(seen.excluded, 'pauseMs'),
    forkMs: medianOf(seen.excluded, 'forkMs'),
    everythingPauseMs: medianOf(seen.everything, 'pauseMs'),
    everythingForkMs: medianOf(seen.everything, 'forkMs')
  })

  if (compares) {
    const before = await workUntil(new Promise((resolve) => setTimeout(resolve, 2000)))
    const alone = pssMb('self')
    let child
    let peak = 0
    const watch = setInterval(() => { if (child !== undefined) peak = Math.max(peak, pssMb('self') + pssMb(child)) }, 1000)
    let done
    const snapshot = writeSnapshotInProbe({ temporaryPath: path.join(directory, 'probe'), onProgress: () => { child ??= childPid() } })
      .then((value) => { done = value })
    const during = await workUntil(snapshot)
    clearInterval(watch)
    Object.assign(result, { snapshotPauseMs: done.pauseMs, childMs: done.durationMs, scratch: done.scratch, extraPeakMb: Math.round(peak - alone), slowdown: during / before })

    const start = performance.now()
    v8.writeHeapSnapshot(path.join(directory, 'in-process'))
    result.inProcessMs = performance.now() - start
  }
  process.stdout.write(`${JSON.stringify(result)}\n`)
  return held
}

function childPid () {
  return fs.readFileSync('/proc/self/task/' + process.pid + '/children', 'utf8').split(' ')[0]
}

main().finally(() => fs.rmSync(directory, { recursive: true, force: true }))
