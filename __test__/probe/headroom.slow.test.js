'use strict'

const test = require('node:test')
const assert = require('node:assert')
const fs = require('node:fs')
const os = require('node:os')
const path = require('node:path')
const { memoryCgroup, runInCgroup } = require('./helpers/memory-cgroup.js')
const { runFixture } = require('./helpers/node.js')
const { support } = require('../..')

const { available, reason } = support().probe
const skip = available ? false : `no probe here: ${reason}`
const skipUnlessRoot = skip || (process.getuid() === 0 ? false : 'needs root; runs in CI as root')

// Everything here runs in a memory cgroup that dies as a whole at the first kill in it (memory.oom.group=1), beside another
// process of that group, and is asked over HTTP all the while.
async function inCgroup (t, how) {
  const group = memoryCgroup(t)
  if (group === undefined) return
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'offheap-probe-'))
  t.after(() => fs.rmSync(directory, { recursive: true, force: true }))
  const result = await runInCgroup(group, 'headroom.js', [how, directory])
  t.diagnostic(`${result.answered} requests answered`)
  return result
}

/** The service lived, nothing in its group was killed, and every request had its answer. */
function lived ({ code, signal, stderr, groupDied, failed, answered, said }) {
  assert.deepStrictEqual({ code, signal, groupDied, failed, error: said?.error }, { code: 0, signal: null, groupDied: false, failed: [], error: undefined }, stderr)
  assert.strictEqual(said.oomKills, 0)
  assert.ok(answered > 0)
  return said
}

function died ({ code, signal, groupDied, stdout }) {
  assert.deepStrictEqual({ code, signal, groupDied }, { code: null, signal: 'SIGKILL', groupDied: true }, stdout)
}

test('a child of the service that overruns the limit takes the container with it, whatever its oom_score_adj', { skip: skipUnlessRoot }, async (t) => {
  const result = await inCgroup(t, 'another child')
  if (result !== undefined) died(result)
})

test('with 30 % of the memory it needs, a snapshot in the process kills the container', { skip: skipUnlessRoot }, async (t) => {
  const result = await inCgroup(t, 'in-process')
  if (result !== undefined) died(result)
})

test('a plain child is refused there with ERR_OFFHEAP_NO_HEADROOM and the figures, and nobody is killed', { skip: skipUnlessRoot }, async (t) => {
  const result = await inCgroup(t, 'memory')
  if (result === undefined) return
  const { code, message } = lived(result)
  assert.strictEqual(code, 'ERR_OFFHEAP_NO_HEADROOM', message)
  assert.match(message, /expected to need \d+ bytes.*memory\.(limit_in_bytes|max) leaves \d+ of \d+ bytes/)
})

test('a plain child that needs more than was expected is killed before the kernel would kill the container', { skip: skipUnlessRoot }, async (t) => {
  const result = await inCgroup(t, 'memory, underestimated')
  if (result === undefined) return
  const { code, message } = lived(result)
  assert.strictEqual(code, 'ERR_OFFHEAP_NO_HEADROOM', message)
  assert.match(message, /\d+ bytes were left, and it was killed before the kernel would have chosen/)
})

test('with its scratch on disk the child writes the whole snapshot there, and the service answers every request', { skip: skipUnlessRoot }, async (t) => {
  const result = await inCgroup(t, 'auto')
  if (result === undefined) return
  const { scratch, isWhole, files, leftNothing, childAnonymousGrowthBytes, durationMs, expected } = lived(result)
  t.diagnostic(`${(durationMs / 1000).toFixed(1)} s, ${Math.round(childAnonymousGrowthBytes / 2 ** 20)} MiB anonymous of ${Math.round(expected / 2 ** 20)} MiB expected in memory`)
  assert.deepStrictEqual({ scratch, isWhole, files, leftNothing }, { scratch: 'disk', isWhole: true, files: ['a.partial'], leftNothing: true })
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
