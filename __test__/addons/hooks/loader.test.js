'use strict'

// What addons ask of the loader is answered as without us.

const test = require('node:test')
const assert = require('node:assert')
const path = require('node:path')
const { runChildForJson } = require('../../helpers/child.js')
const { fixtureAddon } = require('../../helpers/fixture-addon.js')

const root = path.join(__dirname, '..', '..', '..')
const { file, skip } = fixtureAddon('loader')
const other = fixtureAddon('external-memory').file

/** Runs `body` in a child, in which `addon` was loaded, watched or not; what it returns. */
function run (body, { watched = true, late = false } = {}) {
  return runChildForJson(`
    const offheap = require(${JSON.stringify(root)})
    const file = ${JSON.stringify(file)}
    const other = ${JSON.stringify(other)}
    ${watched && !late ? 'const watch = offheap.watchAddons()' : ''}
    const addon = require(file)
    ${watched && late ? 'const watch = offheap.watchAddons()' : ''}
    console.log(JSON.stringify((() => { ${body} })()))
  `)
}

const ANSWERS = `return {
  own: addon.imageOf('napi_get_value_double'),
  libc: addon.imageOf('malloc_usable_size'),
  nowhere: addon.imageOf('no_such_function'),
  next: addon.next('malloc_usable_size'),
  nextNowhere: addon.next('napi_wrap'),
  symbolError: addon.symbolError('no_such_function'),
  missing: addon.openError('/no/such/file.so'),
  relative: addon.openError('./no-such-file.so'),
  bare: addon.openError('libno-such-library.so'),
  found: addon.openError('libm.so.6'),
  itself: addon.openError(file),
  errno: addon.keepsErrno(file)
}`

test('dlopen, dlsym and dlerror give a watched addon the same results as an unwatched one', { skip }, async () => {
  const bare = await run(ANSWERS, { watched: false })
  assert.match(bare.missing, /cannot open shared object file/)
  assert.match(bare.symbolError, /undefined symbol/)
  assert.match(bare.libc, /libc/)

  assert.deepStrictEqual(await run(ANSWERS), bare)
  assert.deepStrictEqual(await run(ANSWERS, { late: true }), bare)
})

test('dlsym returns offheap\'s hooks while addons are watched, and otherwise Node\'s functions', { skip }, async () => {
  const answers = await run(`
    const watched = addon.imageOf('napi_create_reference')
    watch.stop()
    return { watched, stopped: addon.imageOf('napi_create_reference'), node: process.execPath }
  `)

  assert.match(answers.watched, /offheap\.node$/)
  assert.strictEqual(answers.stopped, answers.node)
})

for (const late of [false, true]) {
  test(`every slot of an addon that was loaded ${late ? 'before' : 'while'} watching gets back what it held`, { skip }, async () => {
    const { unwatched, watched, stopped, again, end } = await run(`
      const watched = addon.slots()
      watch.stop()
      const stopped = addon.slots()
      const second = offheap.watchAddons()
      const again = addon.slots()
      second.stop()
      return { watched, stopped, again, end: addon.slots() }
    `, { late })
    assert.strictEqual(unwatched, undefined)
    const hooked = (slots) => slots.filter((slot) => slot.endsWith('offheap.node')).map((slot) => slot.split('=')[0]).sort()

    const expected = ['dlopen', 'dlsym', 'napi_create_arraybuffer', 'napi_create_buffer', 'napi_create_buffer_copy', 'napi_create_function', 'napi_create_reference', 'napi_delete_reference']
    assert.deepStrictEqual(hooked(watched), expected)
    assert.deepStrictEqual(hooked(stopped), [])
    assert.deepStrictEqual(hooked(again), expected)
    assert.deepStrictEqual(hooked(end), [])
    assert.deepStrictEqual(end, stopped)
  })
}

test('an addon that another tool has redirected is left alone as a whole, and its row says why', { skip }, async () => {
  const { before, after, row } = await run(`
    addon.redirect('napi_delete_reference')
    const before = addon.slots()
    const watch = offheap.watchAddons()
    const [row] = offheap.addons().rows
    const after = addon.slots()
    watch.stop()
    return { before, after, row }
  `, { watched: false })

  assert.deepStrictEqual(after, before)
  assert.deepStrictEqual([row.coverage, row.references.liveCount], ['none', null])
  assert.match(row.coverageReason, /slot for napi_delete_reference .* another tool has redirected it/)
})

test('a slot that another tool redirected during the watch stays redirected after it', { skip }, async () => {
  const { hooked, tool, stopped } = await run(`
    addon.redirect('napi_delete_reference')
    const slot = () => addon.slots().find((slot) => slot.startsWith('napi_delete_reference='))
    const tool = slot()
    const hooked = addon.slots().filter((slot) => slot.endsWith('offheap.node')).length
    watch.stop()
    return { hooked, tool, stopped: [slot(), addon.slots().filter((slot) => slot.endsWith('offheap.node')).length] }
  `)

  assert.strictEqual(hooked, 7)
  assert.ok(!tool.endsWith('offheap.node'), tool)
  assert.deepStrictEqual(stopped, [tool, 0])
})

test('an addon that is opened by another, by a constructor or by hand is patched before it is used', { skip }, async () => {
  const { rows } = await run(`
    const module = { exports: {} }
    process.dlopen(module, other)
    module.exports.reference(317)
    return { rows: offheap.addons().rows.map(({ name, coverage, references }) => [name.split('-x64')[0], coverage, references.liveCount]) }
  `)

  assert.deepStrictEqual(rows, [['external-memory', 'full', 317], ['loader', 'full', 0]])
})
