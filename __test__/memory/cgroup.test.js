'use strict'

const test = require('node:test')
const assert = require('node:assert')
const fs = require('node:fs')
const path = require('node:path')
const { runChildForJson } = require('../helpers/child.js')

const root = path.join(__dirname, '..', '..')
const MiB = 2 ** 20

/** The mount point of cgroup v1's memory controller, or why no cgroup can be made there. */
function hierarchy () {
  if (process.platform !== 'linux') return { skip: 'needs Linux' }
  const mount = fs.readFileSync('/proc/self/mountinfo', 'utf8').split('\n')
    .find((line) => / - cgroup \S+ \S*\bmemory\b/.test(line))
  if (mount === undefined) return { skip: "makes cgroups below v1's memory controller, which is not mounted here" }
  const point = mount.split(' ')[4]
  const probe = path.join(point, `offheap-probe-${process.pid}`)
  try {
    fs.mkdirSync(probe)
    fs.rmdirSync(probe)
  } catch (error) {
    return { skip: `no cgroup can be made in ${point} (${error.code}); root can` }
  }
  return { point }
}

const { point, skip = false } = hierarchy()

/** A cgroup with a limit, and one with another limit inside it; removed when the test ends. */
function nested (t, outerLimit, innerLimit) {
  const outer = path.join(point, `offheap-test-${process.pid}`)
  const inner = path.join(outer, 'inner')
  fs.mkdirSync(inner, { recursive: true })
  t.after(async () => {
    for (const directory of [inner, outer]) {
      // A cgroup stays busy for a moment after its last process has ended.
      for (let attempt = 0; ; attempt++) {
        try {
          fs.rmdirSync(directory)
          break
        } catch (error) {
          if (error.code !== 'EBUSY' || attempt === 100) throw error
          await new Promise((resolve) => setTimeout(resolve, 20))
        }
      }
    }
  })
  fs.writeFileSync(path.join(outer, 'memory.limit_in_bytes'), String(outerLimit))
  fs.writeFileSync(path.join(inner, 'memory.limit_in_bytes'), String(innerLimit))
  return { outer, inner }
}

/** What memory() says before and after its process moves into `directory`, and what the kernel says of `binding`. */
function inside (directory, binding) {
  return runChildForJson(`
    const fs = require('node:fs')
    const { memory } = require(${JSON.stringify(root)})
    const before = memory()
    fs.writeFileSync(${JSON.stringify(directory)} + '/cgroup.procs', String(process.pid))
    const buffer = Buffer.alloc(45_678_901, 1)
    const after = memory()
    const usage = Number(fs.readFileSync(${JSON.stringify(binding)} + '/memory.usage_in_bytes', 'utf8'))
    const stat = fs.readFileSync(${JSON.stringify(binding)} + '/memory.stat', 'utf8')
    const inactiveFile = Number(/^total_inactive_file (\\d+)$/m.exec(stat)[1])
    console.log(JSON.stringify({ before, after, usage, inactiveFile, kept: buffer.length }))
  `)
}

test("a parent's smaller limit binds, and the usage is the parent's", { skip }, async (t) => {
  // GIVEN a parent of 300 MiB around a child of 600 MiB
  const { outer, inner } = nested(t, 300 * MiB, 600 * MiB)

  // WHEN a process moves into the child
  const { before, after, usage, inactiveFile } = await inside(inner, outer)

  // THEN the parent's limit is the one, and memory() noticed the move
  assert.notStrictEqual(before.cgroupLimitBytes, 300 * MiB)
  assert.strictEqual(after.cgroupVersion, 1)
  assert.strictEqual(after.cgroupLimitBytes, 300 * MiB)
  assert.strictEqual(after.containerTotalBytes, 300 * MiB)
  assert.ok(after.cgroupUsageBytes >= 45_678_901, `usage ${after.cgroupUsageBytes}`)
  assert.ok(Math.abs(after.cgroupUsageBytes - usage) < 4 * MiB, `${after.cgroupUsageBytes} against ${usage}`)
  assert.ok(Math.abs(after.cgroupWorkingSetBytes - (usage - inactiveFile)) < 4 * MiB)
})

test("a process's own smaller limit binds, and the usage is its own cgroup's", { skip }, async (t) => {
  const { inner } = nested(t, 600 * MiB, 200 * MiB)

  const { after, usage } = await inside(inner, inner)

  assert.strictEqual(after.cgroupLimitBytes, 200 * MiB)
  assert.ok(Math.abs(after.cgroupUsageBytes - usage) < 4 * MiB)
})

test('a cgroup without a limit has none, and its usage is known all the same', { skip }, async (t) => {
  const { inner } = nested(t, -1, -1)

  const { before, after, usage } = await inside(inner, inner)

  assert.strictEqual(after.cgroupLimitBytes, before.cgroupLimitBytes === null ? null : after.cgroupLimitBytes)
  assert.ok(after.cgroupLimitBytes === null || after.cgroupLimitBytes < 2 ** 53)
  if (after.cgroupLimitBytes === null) {
    assert.strictEqual(after.containerTotalBytes, after.machineTotalBytes)
    assert.ok(Math.abs(after.cgroupUsageBytes - usage) < 4 * MiB)
  }
})
