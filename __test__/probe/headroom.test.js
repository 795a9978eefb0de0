'use strict'

const test = require('node:test')
const assert = require('node:assert')
const fs = require('node:fs')
const os = require('node:os')
const path = require('node:path')
const { runFixture } = require('./helpers/node.js')
const { support } = require('../..')

const { available, reason } = support().probe
const skip = available ? false : `no probe here: ${reason}`
const skipUnlessRoot = skip || (process.getuid() === 0 ? false : 'needs root; runs in CI as root')

/** A memory cgroup of the test's own, or undefined where none can be made. */
function cgroup (t) {
  for (const parent of ['/sys/fs/cgroup/memory', '/sys/fs/cgroup']) {
    const folder = path.join(parent, `offheap-test-${process.pid}`)
    try {
      fs.mkdirSync(folder)
    } catch {
      continue
    }
    const isMemory = ['memory.limit_in_bytes', 'memory.max'].some((name) => fs.existsSync(path.join(folder, name)))
    if (!isMemory) {
      fs.rmdirSync(folder)
      continue
    }
    t.after(() => removeWhenEmpty(folder))
    return folder
  }
  t.skip('no memory cgroup can be made here')
}

/** A process that was just killed may still be in it. */
async function removeWhenEmpty (folder) {
  for (let round = 0; round < 200; round++) {
    try {
      return fs.rmdirSync(folder)
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 25))
    }
  }
}

async function inCgroup (t, how) {
  const folder = cgroup(t)
  if (folder === undefined) return
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'offheap-probe-'))
  t.after(() => fs.rmSync(directory, { recursive: true, force: true }))
  const join = `echo $$ > ${path.join(folder, 'cgroup.procs')} && exec "$0" "$@"`
  return runFixture('headroom.js', [folder, how, directory], { command: ['sh', '-c', join], timeoutMs: 150_000 })
}

test('with 30 % of the memory it needs, a snapshot in the process kills the service', { skip: skipUnlessRoot }, async (t) => {
  const result = await inCgroup(t, 'in-process')
  if (result === undefined) return
  assert.deepStrictEqual([result.code, result.signal, result.said], [null, 'SIGKILL', undefined], result.stdout)
})

test('a plain child is refused there with ERR_OFFHEAP_NO_HEADROOM and the figures, and nobody is killed', { skip: skipUnlessRoot }, async (t) => {
  const result = await inCgroup(t, 'memory')
  if (result === undefined) return
  assert.deepStrictEqual([result.code, result.signal], [0, null], result.stderr)
  assert.strictEqual(result.said.code, 'ERR_OFFHEAP_NO_HEADROOM', result.said.message ?? result.said.error)
  assert.match(result.said.message, /expected to need \d+ bytes.*memory\.(limit_in_bytes|max) leaves \d+ of \d+ bytes/)
  assert.strictEqual(result.said.oomKills ?? 0, 0)
})

test('with its scratch on disk the child writes the whole snapshot there, and nobody is killed', { skip: skipUnlessRoot }, async (t) => {
  const result = await inCgroup(t, 'auto')
  if (result === undefined) return
  assert.deepStrictEqual([result.code, result.signal], [0, null], result.stderr)
  const { error, scratch, isWhole, files, leftNothing, oomKills, turns, childAnonymousGrowthBytes, durationMs, expected } = result.said
  assert.strictEqual(error, undefined)
  t.diagnostic(`${(durationMs / 1000).toFixed(1)} s, ${Math.round(childAnonymousGrowthBytes / 2 ** 20)} MiB anonymous of ${Math.round(expected / 2 ** 20)} MiB expected in memory, ${turns} turns of the service`)
  assert.deepStrictEqual({ scratch, isWhole, files, leftNothing, oomKills: oomKills ?? 0 }, { scratch: 'disk', isWhole: true, files: ['a.partial'], leftNothing: true, oomKills: 0 })
  // memory.oom.group=1 would turn one kill in the child into the end of the container: there was none.
  assert.ok(turns > 0)
})

test('scratch on a tmpfs is refused: it is memory', { skip: skip || (fs.existsSync('/dev/shm') ? false : 'no /dev/shm') }, async () => {
  const result = await runFixture('headroom-tmpfs.js')
  assert.deepStrictEqual([result.code, result.signal], [0, null], result.stderr)
  assert.strictEqual(result.said.code, 'ERR_OFFHEAP_NO_HEADROOM')
  assert.match(result.said.message, /tmpfs/)
})

test('scratch on disk is refused where it would leave less than minFreeDiskBytes', { skip }, async () => {
  const result = await runFixture('headroom-tmpfs.js', ['disk'])
  assert.strictEqual(result.said.code, 'ERR_OFFHEAP_NO_HEADROOM', result.said.message)
  assert.match(result.said.message, /are to stay free/)
})

test('an address space limit counts: ERR_OFFHEAP_NO_HEADROOM names RLIMIT_AS', { skip }, async () => {
  const result = await runFixture('headroom-tmpfs.js', ['address-space'])
  assert.strictEqual(result.said.code, 'ERR_OFFHEAP_NO_HEADROOM', result.said.message)
  assert.match(result.said.message, /RLIMIT_AS leaves/)
})
