'use strict'

const test = require('node:test')
const assert = require('node:assert')
const { execFileSync, spawnSync } = require('node:child_process')
const fs = require('node:fs')
const os = require('node:os')
const path = require('node:path')
const { runFixture } = require('./helpers/node.js')
const { support } = require('../..')

const { available, reason } = support().probe
const skip = available ? false : `no probe here: ${reason}`
const isRoot = available && process.getuid() === 0
const skipUnlessRoot = skip || (isRoot ? false : 'needs root; runs in CI as root')

/** Runs a scenario and checks what must hold after every failure: nothing is left, and the next probe works. */
async function fails (scenario, expectedCode, options, args = []) {
  const result = await runFixture('failures.js', [scenario, ...args], options)
  assert.deepStrictEqual([result.code, result.signal], [0, null], result.stderr)
  const { before, after, next, ...said } = result.said
  assert.strictEqual(said.error, undefined)
  assert.strictEqual(said.code, expectedCode, said.message)
  assert.deepStrictEqual(after, before)
  assert.deepStrictEqual(after.children, [])
  assert.strictEqual(next, 'works')
  return said
}

test('a child that hangs is killed at the timeout: ERR_OFFHEAP_PROBE_TIMEOUT', { skip }, async () => {
  await fails('timeout', 'ERR_OFFHEAP_PROBE_TIMEOUT')
})

test('a child that was stopped with SIGSTOP is killed at the timeout', { skip }, async () => {
  await fails('stopped', 'ERR_OFFHEAP_PROBE_TIMEOUT')
})

test('a child that somebody kills is reported as ERR_OFFHEAP_PROBE_CRASHED, with the signal', { skip }, async () => {
  assert.match((await fails('killed', 'ERR_OFFHEAP_PROBE_CRASHED')).message, /SIGKILL/)
  assert.match((await fails('userSignal', 'ERR_OFFHEAP_PROBE_CRASHED')).message, /was killed by SIGUSR1$/)
  assert.match((await fails('segfault', 'ERR_OFFHEAP_PROBE_CRASHED')).message, /SIGSEGV/)
})

test('a child that would wait for a thread that it does not have is replaced four times, then ERR_OFFHEAP_PROBE_DEADLOCK', { skip }, async () => {
  const { attempts, message } = await fails('deadlock', 'ERR_OFFHEAP_PROBE_DEADLOCK')
  assert.strictEqual(attempts, 5)
  assert.match(message, /condition variable|futex/)
})

test('a child that runs out of heap is reported with what V8 printed, and prints nothing into the service\'s logs', { skip }, async () => {
  const result = await runFixture('failures.js', ['outOfHeap'], { execArgv: ['--max-old-space-size=64'] })
  assert.deepStrictEqual([result.said.code, result.signal, result.stderr], ['ERR_OFFHEAP_PROBE_CRASHED', null, ''])
  assert.match(result.said.message, /heap/)
})

test('the last 4 KiB of what a crashed child printed are in the message', { skip }, async () => {
  const { message } = await fails('prints', 'ERR_OFFHEAP_PROBE_CRASHED')
  assert.match(message, / to stderr$/)
  assert.ok(message.length < 4400)
  assert.doesNotMatch(message, /to stdout/)
})

test('an aborted signal ends the child, also before the fork: ERR_OFFHEAP_ABORTED', { skip }, async () => {
  await fails('aborted', 'ERR_OFFHEAP_ABORTED')
  await fails('abortedEarly', 'ERR_OFFHEAP_ABORTED')
})

test('fork refused by RLIMIT_NPROC: ERR_OFFHEAP_PROBE_FAILED names the limit', { skip: skipUnlessRoot }, async () => {
  // GIVEN a copy of everything that the unprivileged process has to read
  const { message } = await fails('noProcesses', 'ERR_OFFHEAP_PROBE_FAILED')
  assert.match(message, /EAGAIN.*RLIMIT_NPROC is 1,/)
})

test('no descriptors left: ERR_OFFHEAP_PROBE_FAILED', { skip }, async () => {
  assert.match((await fails('noDescriptors', 'ERR_OFFHEAP_PROBE_FAILED')).message, /Too many open files/)
})

test('a snapshot that cannot be written is ERR_OFFHEAP_SNAPSHOT_WRITE_FAILED and leaves no file', { skip }, async () => {
  assert.match((await fails('noDirectory', 'ERR_OFFHEAP_SNAPSHOT_WRITE_FAILED')).message, /No such file/)
  assert.strictEqual((await fails('fileExists', 'ERR_OFFHEAP_SNAPSHOT_WRITE_FAILED')).kept, 'mine')
  assert.strictEqual((await fails('symlink', 'ERR_OFFHEAP_SNAPSHOT_WRITE_FAILED')).followed, false)
  await fails('folderRemoved', 'ERR_OFFHEAP_SNAPSHOT_WRITE_FAILED')
  const tooLarge = await fails('fileTooLarge', 'ERR_OFFHEAP_SNAPSHOT_WRITE_FAILED')
  assert.match(tooLarge.message, /File too large/)
  assert.deepStrictEqual(tooLarge.files, [])
})

test('a full disk is ERR_OFFHEAP_SNAPSHOT_NO_DISK_SPACE with its cause, and leaves no file', { skip: skipUnlessRoot }, async (t) => {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'offheap-probe-'))
  t.after(() => fs.rmdirSync(directory))
  const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', directory])
  if (mounted.status !== 0) return t.skip(`mount is not allowed here: ${mounted.stderr}`)
  try {
    const full = await fails('diskFull', 'ERR_OFFHEAP_SNAPSHOT_NO_DISK_SPACE', {}, [directory])
    assert.match(full.message, /No space left/)
    assert.deepStrictEqual(full.files, [])
  } finally {
    execFileSync('umount', [directory])
  }
})

test('a disk with less than minFreeDiskBytes left ends the child: ERR_OFFHEAP_SNAPSHOT_NO_DISK_SPACE', { skip }, async () => {
  assert.deepStrictEqual((await fails('minFreeDisk', 'ERR_OFFHEAP_SNAPSHOT_NO_DISK_SPACE')).files, [])
})

test('fork refused by a seccomp filter: ERR_OFFHEAP_PROBE_FAILED says so', { skip }, async (t) => {
  const wrapper = compile(t, 'no-fork.c')
  if (wrapper === undefined) return
  const { message } = await fails('noFork', 'ERR_OFFHEAP_PROBE_FAILED', { command: [wrapper] })
  assert.match(message, /seccomp/)
})

test('the pids limit of the cgroup: ERR_OFFHEAP_PROBE_FAILED names it', { skip: skipUnlessRoot }, async (t) => {
  const cgroup = ['/sys/fs/cgroup/pids', '/sys/fs/cgroup']
    .filter((folder) => fs.existsSync(path.join(folder, 'cgroup.procs')))
    .map((folder) => path.join(folder, `offheap-test-${process.pid}`))
    .find((folder) => {
      try {
        fs.mkdirSync(folder)
        if (fs.existsSync(path.join(folder, 'pids.max'))) return true
        fs.rmdirSync(folder)
      } catch {}
      return false
    })
  if (cgroup === undefined) return t.skip('no pids cgroup can be made here')
  try {
    // Node and its threads fit in, one more process does not: 2 before the probe's own thread and child would be few.
    fs.writeFileSync(path.join(cgroup, 'pids.max'), '12')
    const result = await runFixture('pids-limit.js', [path.join(cgroup, 'cgroup.procs')])
    assert.deepStrictEqual([result.code, result.signal], [0, null], result.stderr)
    assert.strictEqual(result.said.code, 'ERR_OFFHEAP_PROBE_FAILED', result.said.message)
  } finally {
    fs.rmdirSync(cgroup)
  }
})

test('without /proc there is no probe, and the reason says so', { skip: skipUnlessRoot }, async (t) => {
  const unshare = spawnSync('unshare', ['--mount', 'umount', '-l', '/proc'])
  if (unshare.status !== 0) return t.skip('/proc cannot be taken away here')
  const result = await runFixture('failures.js', ['noProc'], { command: ['unshare', '--mount', 'sh', '-c', 'umount -l /proc && exec "$0" "$@"'] })
  assert.strictEqual(result.signal, null)
  // leftovers() cannot look without /proc; the code is what matters.
  assert.match(result.stdout, /ENOENT|\/proc is not mounted/)
})

/** Compiles a C fixture; skips the test where there is no compiler (where Rust builds, there is one). */
function compile (t, source) {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'offheap-probe-'))
  t.after(() => fs.rmSync(directory, { recursive: true, force: true }))
  const program = path.join(directory, path.basename(source, '.c'))
  const compiled = spawnSync('cc', ['-o', program, path.join(__dirname, 'fixtures', source)], { encoding: 'utf8' })
  if (compiled.error !== undefined) {
    t.skip(`no C compiler: ${compiled.error.code}`)
    return
  }
  assert.strictEqual(compiled.status, 0, compiled.stderr)
  return program
}

test('an inherited descriptor above the lowered limit on descriptors does not disturb a probe', { skip: skip || (fs.existsSync('/bin/bash') ? false : 'needs bash') }, async () => {
  const command = ['/bin/bash', '-c', 'exec 250> /dev/null; exec prlimit --nofile=60 "$0" "$@"']
  const { code, signal, stderr, said } = await runFixture('quiet.js', [], { command })
  assert.deepStrictEqual([code, signal], [0, null], stderr)
  assert.strictEqual(said.error, undefined)
})
