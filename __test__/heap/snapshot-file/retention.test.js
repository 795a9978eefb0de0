'use strict'

const test = require('node:test')
const assert = require('node:assert')
const fs = require('node:fs')
const path = require('node:path')
const { writeHeapSnapshot } = require('../../..')
const { emptyFolder } = require('../../helpers/folder.js')

const OLD = 'heap-20250101T000000.000Z-pid1-thread0-rss.heapsnapshot'
const NEWER = 'heap-20250102T000000.000Z-pid1-thread0-rss.heapsnapshot.gz'
const FROM_THE_FUTURE = 'heap-29991231T235959.999Z-pid1-thread0-rss.heapsnapshot'

function fill (directory, names, content = 'x'.repeat(1000)) {
  for (const name of names) fs.writeFileSync(path.join(directory, name), content)
}

test('the oldest snapshots are deleted, by the time in their name, and the result lists them', async (t) => {
  const directory = emptyFolder(t)
  fill(directory, [NEWER, OLD])

  const result = await writeHeapSnapshot({ directory, maxFiles: 2 })

  assert.deepStrictEqual(result.removed, [path.join(directory, OLD)])
  assert.deepStrictEqual(fs.readdirSync(directory).sort(), [NEWER, path.basename(result.file)].sort())
})

test('only regular files with offheap\'s names are deleted', async (t) => {
  const directory = emptyFolder(t)
  const others = ['notes.txt', 'Heap.20250101.000000.1.0.001.heapsnapshot', `${OLD}.bak`, `my-${OLD}`, 'heap-20250101T000000.000Z-pid1-thread0-.heapsnapshot']
  fill(directory, others)
  fill(directory, ['target'])
  fs.symlinkSync(path.join(directory, 'target'), path.join(directory, OLD))
  fs.mkdirSync(path.join(directory, NEWER))

  const result = await writeHeapSnapshot({ directory, maxFiles: 1, maxTotalBytes: 1 })

  assert.deepStrictEqual(result.removed, [])
  assert.deepStrictEqual(fs.readdirSync(directory).sort(), [...others, 'target', OLD, NEWER, path.basename(result.file)].sort())
})

test('the snapshot that was just written stays, even above the limit and with newer names in the directory', async (t) => {
  const directory = emptyFolder(t)
  fill(directory, [OLD, FROM_THE_FUTURE])

  const result = await writeHeapSnapshot({ directory, maxTotalBytes: '1KB' })

  assert.deepStrictEqual(fs.readdirSync(directory), [path.basename(result.file)])
  assert.deepStrictEqual(result.removed, [path.join(directory, OLD), path.join(directory, FROM_THE_FUTURE)])
})

test('without limits everything stays', async (t) => {
  const directory = emptyFolder(t)
  fill(directory, [OLD, NEWER])
  await writeHeapSnapshot({ directory })
  assert.strictEqual(fs.readdirSync(directory).length, 3)
})

test('temporary files of dead processes are deleted, and others stay', async (t) => {
  const directory = emptyFolder(t)
  const dead = 4_194_304 + 1 // more than the largest process number of Linux
  const files = {
    // Gone, and silent for an hour.
    [`${OLD}.pid${dead}-00000000-1.partial`]: 60,
    [`${OLD}.pid${dead}-00000000-1-raw.partial`]: 60,
    // Our number, but another token: this container's last life.
    [`${OLD}.pid${process.pid}-00000000-1.partial`]: 60,
    // Alive, but a day old: the number is somebody else's by now.
    [`${OLD}.pid${process.ppid}-00000000-1.partial`]: 25 * 60
  }
  const kept = {
    // Alive.
    [`${OLD}.pid${process.ppid}-00000001-1.partial`]: 60,
    // Gone as far as we see, but written to a minute ago: it may live in another container.
    [`${OLD}.pid${dead}-00000002-1.partial`]: 1,
    // Not ours by name.
    [`other.pid${dead}-00000000-1.partial`]: 60,
    'x.partial': 60
  }
  for (const [name, minutes] of Object.entries({ ...files, ...kept })) {
    fill(directory, [name])
    const time = new Date(Date.now() - minutes * 60_000 - 1000)
    fs.utimesSync(path.join(directory, name), time, time)
  }

  const result = await writeHeapSnapshot({ directory })

  assert.deepStrictEqual(fs.readdirSync(directory).sort(), [...Object.keys(kept), path.basename(result.file)].sort())
})
