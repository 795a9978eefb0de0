'use strict'

const test = require('node:test')
const assert = require('node:assert')
const { spawnSync } = require('node:child_process')
const fs = require('node:fs')
const os = require('node:os')
const path = require('node:path')
const { memory, residentBreakdown, support, trim } = require('../../index.js')

const root = path.join(__dirname, '..', '..')

test('every capability is available or has a reason', () => {
  const { platform, node, ...capabilities } = support()

  assert.match(platform, process.platform === 'linux' ? /^linux-\w+-(glibc|musl|unknown)$/ : /^\w+-\w+$/)
  assert.strictEqual(node, process.version)
  for (const name of ['probe', 'watchAddons', 'cgroup', 'residentBreakdown', 'trim']) {
    const { available, reason } = capabilities[name]
    assert.strictEqual(typeof available, 'boolean', name)
    assert.strictEqual(available ? reason === null : typeof reason === 'string' && reason.length > 0, true, name)
  }
})

test('each feature works exactly where support() says so', async () => {
  const { cgroup, residentBreakdown: breakdown, trim: trimming } = support()

  assert.strictEqual(cgroup.version, memory().cgroupVersion)
  assert.strictEqual(cgroup.available, cgroup.version !== null)
  assert.strictEqual((await trim()).releasedBytes !== null, trimming.available)
  if (breakdown.available) assert.ok((await residentBreakdown()).rss > 0)
  else await assert.rejects(residentBreakdown(), { code: 'ERR_OFFHEAP_UNSUPPORTED_PLATFORM' })
})

test('the platform has the name of the prebuilds folder', () => {
  const folders = fs.readdirSync(path.join(root, 'prebuilds'))

  assert.ok(folders.includes(support().platform), `${support().platform} is not among ${folders}`)
})

// What follows runs in processes that may not see all of /proc.

const canUnshare = process.platform === 'linux' && spawnSync('unshare', ['-m', 'true']).status === 0

test('without /proc the heap is measured, the rest is null, and a breakdown is refused with a code', {
  skip: canUnshare ? false : 'needs Linux, unshare(1) and the right to mount'
}, () => {
  const script = `
    const { OffheapError, memory, residentBreakdown, support, trim } = require(${JSON.stringify(root)})
    residentBreakdown().then(() => console.log('resolved'), async (error) => console.log(JSON.stringify({
      code: error.code, ours: error instanceof OffheapError, support: support(), reading: memory(), trimmed: await trim()
    })))`
  const { stdout, stderr } = spawnSync('unshare', ['-m', 'sh', '-c', 'mount -t tmpfs none /proc && exec "$0" -e "$1"', process.execPath, script],
    { encoding: 'utf8', timeout: 240_000 })

  assert.strictEqual(stderr, '')
  const { code, ours, support: capabilities, reading, trimmed } = JSON.parse(stdout)
  assert.strictEqual(code, 'ERR_OFFHEAP_UNSUPPORTED_PLATFORM')
  assert.strictEqual(ours, true)
  assert.strictEqual(capabilities.residentBreakdown.available, false)
  assert.match(capabilities.residentBreakdown.reason, /smaps/)
  assert.strictEqual(capabilities.cgroup.available, false)
  const measured = Object.keys(reading).filter((name) => reading[name] !== null)
  assert.deepStrictEqual(measured, ['heapTotal', 'heapUsed', 'heapLimitBytes', 'external', 'declaredExternalBytes', 'trackedExternalBytes', 'globalHandlesBytes', 'bufferPool'])
  assert.strictEqual(trimmed.releasedBytes, null)
})

// A process that may execute its binary and not read it is not "dumpable" (prctl(2)).
test('a process that may not read its own memory still gets a table that adds up', {
  skip: process.platform === 'linux' ? false : 'needs Linux'
}, (t) => {
  const asUser = process.getuid() === 0 ? { uid: 65534, gid: 65534 } : {}
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'offheap-support-'))
  t.after(() => fs.rmSync(directory, { recursive: true }))
  fs.chmodSync(directory, 0o755)
  const run = (binary, script) => spawnSync(binary, ['-e', script], { ...asUser, cwd: '/', encoding: 'utf8', timeout: 240_000 })
  if (run(process.execPath, `require(${JSON.stringify(root)})`).status !== 0) {
    return t.skip('run by root, this needs a package that everybody may read')
  }
  const binary = path.join(directory, 'node')
  fs.copyFileSync(process.execPath, binary)
  fs.chmodSync(binary, 0o111)

  const { stdout, stderr } = run(binary, `
    const { residentBreakdown } = require(${JSON.stringify(root)})
    const buffer = Buffer.alloc(34_567_892, 1)
    let readable = true
    try { require('node:fs').closeSync(require('node:fs').openSync('/proc/self/mem')) } catch { readable = false }
    residentBreakdown().then((table) => console.log(JSON.stringify({ table, readable, kept: buffer.length })))
  `)

  assert.strictEqual(stderr, '')
  const { table: { rss, otherDeclaredBytes, mallocFreeAtMostBytes, notResidentBytes, swappedBytes, largest, ...rows }, readable } = JSON.parse(stdout)
  assert.strictEqual(readable, false, 'the process can read its memory: this test shows nothing')
  assert.strictEqual(Object.values(rows).reduce((sum, bytes) => sum + bytes, 0), rss)
  assert.ok(Math.abs(rows.arrayBuffersResidentBytes - 34_567_892) < 1e6, `ArrayBuffers: ${rows.arrayBuffersResidentBytes}`)
})
