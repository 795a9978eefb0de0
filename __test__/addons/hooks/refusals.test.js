'use strict'

// Who may watch, and when not.

const test = require('node:test')
const assert = require('node:assert')
const fs = require('node:fs')
const path = require('node:path')
const offheap = require('../../..')
const { runChildForJson } = require('../../helpers/child.js')
const { fixtureAddon } = require('../../helpers/fixture-addon.js')
const { emptyFolder } = require('../../helpers/folder.js')

const root = path.join(__dirname, '..', '..', '..')
const { file, skip } = fixtureAddon('external-memory')
const unsupported = offheap.support().watchAddons.available ? false : offheap.support().watchAddons.reason

const REPORT = `
  const report = (act) => {
    try {
      return { value: act() }
    } catch (error) {
      return { code: error.code, name: error.name, message: error.message, isError: error instanceof Error }
    }
  }
`

test('a second copy of offheap does not patch again, and names the first copy', { skip: skip ?? unsupported }, async (t) => {
  const copy = emptyFolder(t)
  for (const part of ['index.js', 'lib', 'package.json', 'prebuilds']) fs.cpSync(path.join(root, part), path.join(copy, part), { recursive: true, dereference: true })

  const result = await runChildForJson(`${REPORT}
    const first = require(${JSON.stringify(root)})
    const second = require(${JSON.stringify(copy)})
    const addon = require(${JSON.stringify(file)})
    const live = (copy) => copy.addons().rows.find((row) => row.file === ${JSON.stringify(file)})
    const result = { before: second.support().watchAddons }
    const watch = first.watchAddons()
    result.during = second.support().watchAddons
    result.refused = report(() => second.watchAddons())
    addon.reference(11)
    result.counts = [live(first).references.liveCount, live(second).references.liveCount, live(second).coverage]
    result.reason = live(second).coverageReason
    watch.stop()
    result.after = second.support().watchAddons
    const other = second.watchAddons()
    addon.reference(7)
    result.swapped = [live(first).references.liveCount, live(second).references.liveCount]
    result.firstRefused = report(() => first.watchAddons()).code
    other.stop()
    addon.release()
    console.log(JSON.stringify(result))
  `)

  const { before, during, refused, counts, reason, after, swapped, firstRefused } = result
  assert.deepStrictEqual([before.available, during.available, after.available], [true, false, true])
  assert.match(during.reason, /another copy of offheap is watching already: .*offheap\.node/)
  assert.deepStrictEqual({ code: refused.code, name: refused.name, isError: refused.isError }, { code: 'ERR_OFFHEAP_WATCH_REFUSED', name: 'OffheapError', isError: true })
  assert.match(refused.message, /another copy of offheap/)
  assert.deepStrictEqual(counts, [11, null, 'none'])
  assert.match(reason, /another copy of offheap/)
  assert.deepStrictEqual(swapped, [null, 7])
  assert.strictEqual(firstRefused, 'ERR_OFFHEAP_WATCH_REFUSED')
})

test('in a runtime that only looks like Node nothing is patched', async () => {
  const { support, watched, read } = await runChildForJson(`${REPORT}
    Object.defineProperty(process.versions, 'bun', { value: '1.4.5', configurable: true })
    const offheap = require(${JSON.stringify(root)})
    console.log(JSON.stringify({
      support: offheap.support().watchAddons,
      watched: report(() => offheap.watchAddons()).code,
      read: report(() => offheap.addons()).code
    }))
  `)

  assert.deepStrictEqual(support, { available: false, reason: 'this is Bun 1.4.5, and interposition is known to work only in Node' })
  assert.deepStrictEqual([watched, read], new Array(2).fill('ERR_OFFHEAP_UNSUPPORTED_PLATFORM'))
})

test('require alone patches nothing', { skip: skip ?? unsupported }, async () => {
  const coverages = await runChildForJson(`
    const offheap = require(${JSON.stringify(root)})
    require(${JSON.stringify(file)})
    console.log(JSON.stringify(offheap.addons().rows.map(({ coverage, coverageReason }) => [coverage, coverageReason])))
  `)

  assert.deepStrictEqual(coverages, [['none', 'addons are not watched; call watchAddons()']])
})

test('wrong arguments are refused before anything is patched', { skip: unsupported }, () => {
  for (const value of [null, 5, 'x', [], true]) assert.throws(() => offheap.watchAddons(value), { code: 'ERR_INVALID_ARG_TYPE', name: 'TypeError' })
  assert.throws(() => offheap.watchAddons({ stack: true }), { code: 'ERR_INVALID_ARG_VALUE' })
  for (const buffers of [null, 0, 1, 'true', {}]) assert.throws(() => offheap.watchAddons({ buffers }), { code: 'ERR_INVALID_ARG_TYPE' })
  for (const since of [null, 5, 'x', {}, [], { rows: 5 }, { rows: [5] }, { rows: [{}] }, { rows: [null] }, { watchNumber: 1, rows: [{}] }, { watchNumber: 'x', rows: [] }, { rows: [] }]) assert.throws(() => offheap.addons({ since }), { code: 'ERR_INVALID_ARG_TYPE' })
  assert.throws(() => offheap.addons({ sinse: [] }), { code: 'ERR_INVALID_ARG_VALUE', message: /did you mean "since"/ })
  assert.ok(offheap.addons().rows.every((row) => row.coverage === 'none'))
})
