'use strict'

const test = require('node:test')
const assert = require('node:assert')
const fs = require('node:fs')
const path = require('node:path')
const zlib = require('node:zlib')
const { spawnSync } = require('node:child_process')
const { OffheapError, writeHeapSnapshot } = require('../../..')
const { requestSnapshot } = require('../../../lib/heap/snapshot-file/write.js')
const { snapshotSettings } = require('../../../lib/heap/snapshot-file/settings.js')
const { emptyFolder, smallDisk } = require('../../helpers/folder.js')
const { runScript } = require('../../helpers/child.js')

const isRoot = process.geteuid?.() === 0

function request (options, extra) {
  return requestSnapshot(snapshotSettings('options', options), extra)
}

async function rejected (promise, code) {
  const error = await promise.then(() => assert.fail('it was written'), (reason) => reason)
  assert.strictEqual(error.code, code, error.stack)
  assert.ok(error instanceof OffheapError)
  return error
}

test('a path that is a symlink, a directory or a pipe is refused, and what it leads to stays as it is', async (t) => {
  const directory = emptyFolder(t)
  const at = (name) => path.join(directory, name)
  fs.writeFileSync(at('secret'), 'untouched')
  fs.symlinkSync(at('secret'), at('link'))
  fs.symlinkSync(at('nowhere'), at('dangling'))
  fs.mkdirSync(at('folder'))
  assert.strictEqual(spawnSync('mkfifo', [at('pipe')]).status, 0)

  for (const name of ['link', 'dangling', 'folder', 'pipe']) {
    await rejected(writeHeapSnapshot({ file: at(name) }), 'ERR_OFFHEAP_SNAPSHOT_PATH_REFUSED')
  }
  await rejected(writeHeapSnapshot({ file: '/dev/null' }), 'ERR_OFFHEAP_SNAPSHOT_PATH_REFUSED')
  await rejected(writeHeapSnapshot({ directory: at('secret') }), 'ERR_OFFHEAP_SNAPSHOT_PATH_REFUSED')

  assert.deepStrictEqual(fs.readdirSync(directory).sort(), ['dangling', 'folder', 'link', 'pipe', 'secret'])
  assert.strictEqual(fs.readFileSync(at('secret'), 'utf8'), 'untouched')
})

test('a file or link under the temporary name is neither opened nor followed', async (t) => {
  const { createPrivate, openExisting } = require('../../../lib/heap/snapshot-file/private-file.js')
  const directory = emptyFolder(t)
  const at = (name) => path.join(directory, name)
  fs.writeFileSync(at('file'), 'untouched')
  fs.symlinkSync(at('file'), at('link'))
  fs.symlinkSync(at('nowhere'), at('dangling'))
  for (const name of ['file', 'link', 'dangling']) await assert.rejects(createPrivate(at(name)), { code: 'EEXIST' })
  await assert.rejects(openExisting(at('link')), { code: 'ELOOP' })
  assert.strictEqual(fs.readFileSync(at('file'), 'utf8'), 'untouched')
  assert.deepStrictEqual(fs.readdirSync(directory).sort(), ['dangling', 'file', 'link'])
})

test('a directory that is a symlink of the same user is followed', async (t) => {
  const directory = emptyFolder(t)
  fs.mkdirSync(path.join(directory, 'real'))
  fs.symlinkSync('real', path.join(directory, 'link'))
  const result = await writeHeapSnapshot({ directory: path.join(directory, 'link') })
  assert.strictEqual(path.dirname(result.file), path.join(directory, 'real'))
})

test('a directory that is a symlink of another user is refused', { skip: !isRoot && 'only root can make a link that belongs to another user; runs as root' }, async (t) => {
  const directory = emptyFolder(t)
  fs.mkdirSync(path.join(directory, 'real'))
  fs.symlinkSync('real', path.join(directory, 'link'))
  fs.lchownSync(path.join(directory, 'link'), 65534, 65534)
  await rejected(writeHeapSnapshot({ directory: path.join(directory, 'link') }), 'ERR_OFFHEAP_SNAPSHOT_PATH_REFUSED')
  assert.deepStrictEqual(fs.readdirSync(path.join(directory, 'real')), [])
})

test('a directory that cannot be written to is an error with the cause of the file system', async (t) => {
  const directory = emptyFolder(t)
  fs.chmodSync(directory, 0o555)
  // Root may write anywhere, so the child becomes somebody else first.
  const { messages } = await runScript(`
    if (process.geteuid() === 0) { process.setegid(65534); process.seteuid(65534) }
    const directory = process.argv[1]
    Promise.all([directory, directory + '/sub'].map((directory) =>
      offheap.writeHeapSnapshot({ directory, file: undefined, reason: directory.slice(-3) }).catch((error) => send([error.code, error.cause?.code, error instanceof offheap.OffheapError]))))
  `, { args: [directory] })
  const codes = messages.map(([code]) => code).sort()
  // Asked for at the same time, with different destinations: the second is refused without looking at the disk.
  assert.deepStrictEqual(codes, ['ERR_OFFHEAP_SNAPSHOT_IN_PROGRESS', 'ERR_OFFHEAP_SNAPSHOT_WRITE_FAILED'])
  assert.deepStrictEqual(messages.find(([code]) => code.endsWith('WRITE_FAILED')), ['ERR_OFFHEAP_SNAPSHOT_WRITE_FAILED', 'EACCES', true])
  assert.deepStrictEqual(fs.readdirSync(directory), [])
})

test('a working directory that was deleted is an error, not a crash', async (t) => {
  const { messages } = await runScript(`
    const fs = require('fs')
    process.chdir(process.argv[1])
    fs.rmdirSync(process.argv[1])
    offheap.writeHeapSnapshot().catch((error) => send([error.code, error.cause.code]))
  `, { args: [emptyFolder(t)] })
  assert.deepStrictEqual(messages, [['ERR_OFFHEAP_SNAPSHOT_WRITE_FAILED', 'ENOENT']])
})

test('without --allow-fs-write a snapshot is refused with Node\'s ERR_ACCESS_DENIED and writes no file; with it the snapshot is written', async (t) => {
  const directory = emptyFolder(t)
  const flag = process.allowedNodeEnvironmentFlags.has('--permission') ? '--permission' : '--experimental-permission'
  const flags = [flag, '--allow-addons', '--allow-fs-read=*', '--no-warnings']
  const script = (options) => `offheap.writeHeapSnapshot(${options}).then((result) => send(result.mode), (error) => send([error.code, error.cause.code]))`
  // The child and the addon write past the permission model: it has to be asked before.
  for (const options of ['{ directory: process.argv[1] }', '{ directory: process.argv[1], gzip: true }', '{ directory: process.argv[1], report: "only" }', '{ file: process.argv[1] + "/own" }']) {
    const denied = await runScript(script(options), { execArgv: flags, args: [directory] })
    assert.deepStrictEqual(denied.messages, [['ERR_OFFHEAP_SNAPSHOT_WRITE_FAILED', 'ERR_ACCESS_DENIED']], denied.stderr)
    assert.deepStrictEqual(fs.readdirSync(directory), [], options)
  }
  const granted = await runScript(script('{ directory: process.argv[1] }'), { execArgv: [...flags, `--allow-fs-write=${directory}${path.sep}*`], args: [directory] })
  assert.deepStrictEqual(granted.messages, ['probe'], granted.stderr)
})

test('a directory that cannot be created is refused, where Node\'s own mkdir would not return', { skip: process.platform === 'linux' ? false : 'no /proc' }, async () => {
  for (const directory of ['/proc/nope', '/proc/nope/deeper/still', path.join(__filename, 'inside')]) {
    const error = await writeHeapSnapshot({ directory }).then(() => undefined, (failure) => failure)
    assert.strictEqual(error?.code, 'ERR_OFFHEAP_SNAPSHOT_WRITE_FAILED', directory)
  }
})

test('too little free disk is refused before the thread is stopped', async (t) => {
  const directory = emptyFolder(t)
  const phases = []
  await rejected(request({ directory, minFreeDiskBytes: Number.MAX_SAFE_INTEGER }, { onProgress: ({ phase }) => phases.push(phase) }), 'ERR_OFFHEAP_SNAPSHOT_NO_DISK_SPACE')
  assert.deepStrictEqual(phases, ['prepare'])
  assert.deepStrictEqual(fs.readdirSync(directory), [])
})

test('a disk that runs full leaves nothing, compressed or not', async (t) => {
  const mounted = smallDisk(t, '1m')
  if (mounted === undefined) return t.skip('a tmpfs cannot be mounted here; runs as root with CAP_SYS_ADMIN')
  for (const gzip of [false, true]) {
    const error = await rejected(writeHeapSnapshot({ directory: mounted, gzip, minFreeDiskBytes: 0 }), 'ERR_OFFHEAP_SNAPSHOT_NO_DISK_SPACE')
    assert.strictEqual(error.cause.code, 'ENOSPC')
    assert.deepStrictEqual(fs.readdirSync(mounted), [])
    // The space is free again: nothing without a name holds it.
    const { bfree, blocks } = fs.statfsSync(mounted)
    assert.strictEqual(bfree, blocks)
  }
})

test('a disk that runs full while compressing leaves nothing', async (t) => {
  // Room for the text, which is 4 MB or so, and then for nothing more.
  const mounted = smallDisk(t, '64m')
  if (mounted === undefined) return t.skip('a tmpfs cannot be mounted here; runs as root with CAP_SYS_ADMIN')
  const error = await rejected(request({ directory: mounted, mode: 'in-process', gzip: true, minFreeDiskBytes: 0 }, {
    onProgress: ({ phase }) => {
      if (phase !== 'compress') return
      const fd = fs.openSync(path.join(mounted, 'ballast'), 'w')
      try {
        for (;;) fs.writeSync(fd, Buffer.alloc(4096))
      } catch {
        fs.closeSync(fd)
      }
    }
  }), 'ERR_OFFHEAP_SNAPSHOT_NO_DISK_SPACE')
  assert.strictEqual(error.cause.code, 'ENOSPC')
  assert.deepStrictEqual(fs.readdirSync(mounted), ['ballast'])
})

test('a file that stops early never gets its name', async (t) => {
  const directory = emptyFolder(t)
  const text = '{"snapshot":{},"strings":["a"]}'
  const written = { mode: 'in-process', attempts: 1, pauseMs: 0, contentBytes: text.length }
  const cases = [
    ['empty', false, ''],
    ['cut off', false, text.slice(0, -1)],
    ['padded with zeros', false, text.slice(0, -4) + '\0\0\0\0'],
    ['shorter than was written', false, text, text.length + 1],
    ['longer than was written', false, text + ' ', text.length],
    ['gzip cut off', true, zlib.gzipSync(text).subarray(0, -1)],
    ['gzip of something else', true, zlib.gzipSync(text + ' ')],
    ['not gzip', true, text]
  ]
  for (const [name, gzip, content, byteLength] of cases) {
    const write = async ({ temporaryPath }) => {
      fs.writeFileSync(temporaryPath, content, { mode: 0o600 })
      return { ...written, byteLength: byteLength ?? content.length }
    }
    await rejected(request({ directory, gzip }, { write }), 'ERR_OFFHEAP_SNAPSHOT_TRUNCATED').catch((error) => { throw new Error(name, { cause: error }) })
    assert.deepStrictEqual(fs.readdirSync(directory), [])
  }
  // A second mode may not know the size before compression.
  for (const [gzip, content, contentBytes] of [[false, text, text.length], [true, zlib.gzipSync(text), text.length], [true, Buffer.concat([zlib.gzipSync('{'), zlib.gzipSync(text)]), null]]) {
    const write = async ({ temporaryPath }) => {
      fs.writeFileSync(temporaryPath, content, { mode: 0o600 })
      return { ...written, byteLength: content.length, contentBytes }
    }
    assert.strictEqual((await request({ directory, gzip }, { write })).byteLength, content.length)
  }
})

test('an abort in any phase ends the snapshot and leaves no file', async (t) => {
  const directory = emptyFolder(t)
  const phases = new Set()
  for (const abortIn of ['prepare', 'generate', 'serialize', 'compress', 'finish']) {
    const controller = new AbortController()
    const error = await rejected(request({ directory, mode: 'in-process', gzip: true, signal: controller.signal }, {
      onProgress: ({ phase }) => {
        phases.add(phase)
        if (phase === abortIn) controller.abort('enough')
      }
    }), 'ERR_OFFHEAP_ABORTED')
    assert.strictEqual(error.cause, 'enough')
    assert.deepStrictEqual(fs.readdirSync(directory), [], `left after aborting in ${abortIn}`)
  }
  assert.deepStrictEqual([...phases], ['prepare', 'generate', 'serialize', 'compress', 'finish'])
  await rejected(writeHeapSnapshot({ directory: path.join(directory, 'not made'), signal: AbortSignal.abort() }), 'ERR_OFFHEAP_ABORTED')
  assert.deepStrictEqual(fs.readdirSync(directory), [])
})

test('a second call for the same destination joins the first, any other is refused', async (t) => {
  const directory = emptyFolder(t)
  const first = writeHeapSnapshot({ directory, reason: 'first' })
  const second = writeHeapSnapshot({ directory, reason: 'second', cooldownMs: 60_000 })
  await rejected(writeHeapSnapshot({ directory, gzip: true }), 'ERR_OFFHEAP_SNAPSHOT_IN_PROGRESS')
  await rejected(writeHeapSnapshot({ file: path.join(directory, 'x') }), 'ERR_OFFHEAP_SNAPSHOT_IN_PROGRESS')

  const results = await Promise.all([first, second])

  assert.deepStrictEqual(results[0], results[1])
  assert.notStrictEqual(results[0], results[1])
  assert.strictEqual(results[1].reason, 'first')
  assert.strictEqual(fs.readdirSync(directory).length, 1)
})

test('an abort of one of two callers does not end the snapshot, and an abort of both does', async (t) => {
  const directory = emptyFolder(t)
  const stays = writeHeapSnapshot({ directory })
  const leaving = new AbortController()
  const leaves = writeHeapSnapshot({ directory, signal: leaving.signal })
  leaving.abort()
  await rejected(leaves, 'ERR_OFFHEAP_ABORTED')
  await stays
  assert.strictEqual(fs.readdirSync(directory).length, 1)

  const controllers = [new AbortController(), new AbortController()]
  const both = controllers.map(({ signal }) => writeHeapSnapshot({ directory, signal }))
  for (const controller of controllers) controller.abort()
  await rejected(both[0], 'ERR_OFFHEAP_ABORTED')
  await rejected(both[1], 'ERR_OFFHEAP_ABORTED')
  assert.strictEqual(fs.readdirSync(directory).length, 1)
})

test('within the cooldown it is refused before the thread is stopped, and failures count', async (t) => {
  const directory = emptyFolder(t)
  await rejected(request({ directory }, { write: async () => { throw new Error('no') } }), 'ERR_OFFHEAP_SNAPSHOT_WRITE_FAILED')
  const phases = []
  await rejected(request({ directory, cooldownMs: 600_000 }, { onProgress: ({ phase }) => phases.push(phase) }), 'ERR_OFFHEAP_SNAPSHOT_COOLDOWN')
  assert.deepStrictEqual(phases, [])
  await writeHeapSnapshot({ directory })
})
