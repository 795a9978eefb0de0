'use strict'

// How long, and in how much memory, is a snapshot read and worked out (parsed, dominators, retained sizes), against
// memlab and @vscode/v8-heap-parser on the same file, each in a process of its own? The goal: ten times as fast as memlab, with the
// whole report, which memlab does not make. Times are on the clock and of all the process's threads (cpuMs), which says more where
// others use the machine. Peaks are the whole process's, Node included (VmHWM). The peers are installed into .cache/bench on first use: they are 80 MB that nobody else needs.

const { spawnSync } = require('node:child_process')
const fs = require('node:fs')
const os = require('node:os')
const path = require('node:path')
const { median, quantile } = require('./helpers.js')

const root = path.join(__dirname, '..')
const peers = path.join(root, '.cache', 'bench', 'analysis')

/** Objects of a service: sessions in a Map with strings, arrays, closures. About 10.6 nodes each. */
const MAKE = `
  const v8 = require('node:v8')
  class Session {
    constructor (index) {
      this.id = index
      this.user = 'user-' + (index % 400_000)
      this.tags = [index * 1.5, 't' + (index % 1000)]
      this.meta = { created: index * 1.25, previous: null }
      this.touch = () => this.id
    }
  }
  globalThis.sessions = new Map()
  let previous = null
  const count = Number(process.argv[1])
  for (let index = 0; index < count; index++) {
    const session = new Session(index)
    session.meta.previous = previous
    previous = index % 50 ? session : null
    sessions.set('k' + index, session)
  }
  v8.writeHeapSnapshot(process.argv[2])
`

const TOOLS = {
  offheap: `
    const binding = require(${JSON.stringify(path.join(root, 'lib', 'base', 'load.js'))})
    run(() => binding.heapSnapshotCore(file, 2))
  `,
  'offheap, one thread': `
    const binding = require(${JSON.stringify(path.join(root, 'lib', 'base', 'load.js'))})
    run(() => binding.heapSnapshotCore(file, 1))
  `,
  'offheap with the whole report': `
    const snapshots = require(${JSON.stringify(path.join(root, 'analysis.js'))})
    run(() => snapshots.analyzeHeapSnapshot(file))
  `,
  memlab: `
    const core = require('@memlab/core')
    process.stdout.write = () => true
    run(async () => {
      const snapshot = await core.utils.getSnapshotFromFile(file, { buildNodeIdIndex: true, verbose: false })
      new core.TraceFinder().calculateAllNodesRetainedSizes(snapshot)
    })
  `,
  '@vscode/v8-heap-parser': `
    const parser = require('@vscode/v8-heap-parser')
    run(() => parser.decode_bytes(require('node:fs').readFileSync(file)).get_class_groups(0, 1, false))
  `
}

const RUN = `
  const file = process.argv[1]
  async function run (work) {
    const cpu = process.cpuUsage()
    const start = performance.now()
    await work()
    const ms = performance.now() - start
    const { user, system } = process.cpuUsage(cpu)
    const cpuMs = (user + system) / 1000
    const status = require('node:fs').readFileSync('/proc/self/status', 'utf8')
    require('node:fs').writeSync(2, '\\n' + JSON.stringify({ ms, cpuMs, bytes: Number(/VmHWM:\\s+(\\d+)/.exec(status)[1]) * 1024 }) + '\\n')
  }
`

function child (tool, file) {
  const run = spawnSync(process.execPath, ['--max-old-space-size=12000', '-e', RUN + TOOLS[tool], file], {
    cwd: fs.existsSync(peers) ? peers : root,
    encoding: 'utf8',
    maxBuffer: 1 << 26,
    timeout: 600_000
  })
  // memlab clears its line at exit: the result need not be the last.
  const line = run.stderr.split('\n').findLast((text) => text.startsWith('{'))
  if (run.status !== 0 || line === undefined) return { failed: `${run.signal ?? run.status}: ${run.stderr.trim().slice(-200)}` }
  return JSON.parse(line)
}

function installPeers () {
  const wanted = ['@memlab/core@2.0.5', '@vscode/v8-heap-parser@0.1.0']
  if (fs.existsSync(path.join(peers, 'node_modules', '@vscode', 'v8-heap-parser'))) return undefined
  fs.mkdirSync(peers, { recursive: true })
  fs.writeFileSync(path.join(peers, 'package.json'), '{"private":true}\n')
  const run = spawnSync('npm', ['install', '--ignore-scripts', '--no-audit', '--no-fund', ...wanted], {
    cwd: peers,
    encoding: 'utf8',
    timeout: 300_000,
    env: { ...process.env, PUPPETEER_SKIP_DOWNLOAD: '1' }
  })
  return run.status === 0 ? undefined : `peers not installed: ${run.stderr.trim().split('\n')[0]}`
}

/** The results of two tools in the rounds in which both had one. */
function pairsOf (ours = [], theirs = []) {
  return ours.flatMap((us) => theirs.filter((them) => them.round === us.round).map((them) => [us, them]))
}

/**
 * @param {{ rounds?: number, long?: boolean, args?: string[] }} options `args`: sizes in nodes instead of the usual
 */
module.exports = async function ({ rounds = 3, long = false, args = [] } = {}) {
  if (process.platform !== 'linux') return { rows: [], notes: ['peaks are read from /proc: Linux only'] }
  const sizes = args.length > 0 ? args.map(Number) : [100_000, 1_000_000, 2_150_000, ...(long ? [10_000_000] : [])]
  const notes = []
  const missing = installPeers()
  if (missing !== undefined) notes.push(missing)
  const rows = []
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'offheap-bench-'))
  try {
    for (const nodes of sizes) {
      const file = path.join(folder, `${nodes}.heapsnapshot`)
      // 45,000 nodes are Node's own.
      const made = spawnSync(process.execPath, ['--max-old-space-size=16000', '-e', MAKE, String(Math.max(0, Math.round((nodes - 45_000) / 10.5))), file], { timeout: 900_000 })
      if (made.status !== 0) {
        notes.push(`${nodes} nodes: the snapshot could not be made (${made.signal ?? made.status})`)
        continue
      }
      const results = {}
      // Interleaved, so that a busy moment meets all.
      for (let round = 0; round < (nodes > 3_500_000 ? Math.min(rounds, 3) : rounds); round++) {
        for (const tool of Object.keys(TOOLS)) {
          if (missing !== undefined && !tool.startsWith('offheap')) continue
          const { failed, ...result } = child(tool, file)
          if (failed !== undefined) {
            notes.push(`${nodes} nodes: ${tool} failed (${failed})`)
            continue
          }
          (results[tool] ??= []).push({ round, ...result })
        }
      }
      const fileBytes = fs.statSync(file).size
      const size = `${(nodes / 1e6).toFixed(2)} M nodes`
      for (const ours of ['offheap with the whole report', 'offheap']) {
        const pairs = pairsOf(results[ours], results.memlab)
        if (pairs.length === 0) continue
        const ratios = pairs.map(([us, them]) => us.ms / them.ms)
        rows.push({
          name: `${size}: ${ours} ÷ memlab`,
          ratio: median(ratios),
          goal: '≤ 0.100',
          lowQuartile: quantile(ratios, 0.25),
          highQuartile: quantile(ratios, 0.75),
          cpuRatio: median(pairs.map(([us, them]) => us.cpuMs / them.cpuMs)),
          memoryRatio: median(pairs.map(([us, them]) => us.bytes / them.bytes))
        })
      }
      for (const [tool, measured] of Object.entries(results)) {
        rows.push({
          name: `${size}: ${tool}`,
          ms: median(measured.map((result) => result.ms)),
          cpuMs: median(measured.map((result) => result.cpuMs)),
          peakBytes: median(measured.map((result) => result.bytes)),
          fileBytes
        })
      }
      fs.rmSync(file)
    }
  } finally {
    fs.rmSync(folder, { recursive: true, force: true })
  }
  notes.push('ratio: time on the clock, round by round, median and quartiles; cpuRatio: of all threads; memoryRatio: of the peak of the whole process, Node included')
  notes.push('offheap: read, dominators, retained sizes, as memlab does; two threads. The whole report: analyzeHeapSnapshot()')
  return { rows, notes }
}
