'use strict'

// A watch beside everything else that happens in a process.

const test = require('node:test')
const assert = require('node:assert')
const path = require('node:path')
const offheap = require('../../..')
const { runChildForJson } = require('../../helpers/child.js')
const { fixtureAddon } = require('../../helpers/fixture-addon.js')

const root = path.join(__dirname, '..', '..', '..')
const { file, skip } = fixtureAddon('external-memory')
const { watchAddons, probe } = offheap.support()
const needs = (...capabilities) => skip ?? capabilities.find((capability) => !capability.available)?.reason ?? false

test('a child sees the counts of its service, and continues them for itself', { skip: needs(watchAddons, probe) }, async () => {
  const { inside, outside } = await runChildForJson(`
    const offheap = require(${JSON.stringify(root)})
    const watch = offheap.watchAddons()
    const addon = require(${JSON.stringify(file)})
    addon.reference(13)
    offheap.probe(() => {
      addon.reference(4)
      addon.externalBuffer(1003)
      const [row] = offheap.addons().rows
      addon.release()
      return [row.references.liveCount, row.externalBuffers.liveBytes, offheap.addons().rows[0].references.liveCount]
    }).then((inside) => {
      console.log(JSON.stringify({ inside, outside: offheap.addons().rows[0].references.liveCount }))
      watch.stop()
    })
  `)

  assert.deepStrictEqual(inside, [17, 1_003, 0])
  assert.strictEqual(outside, 13)
})

test('threads load, use and release an addon while other threads begin and end watches', { skip: needs(watchAddons) }, async () => {
  const { exits, rows, environments } = await runChildForJson(`
    const { Worker } = require('node:worker_threads')
    const offheap = require(${JSON.stringify(root)})
    const body = \`
      const offheap = require(${JSON.stringify(root)})
      const watch = offheap.watchAddons()
      const addon = require(${JSON.stringify(file)})
      for (let round = 0; round < 50; round++) {
        addon.external(64)
        addon.externalBuffer(64)
        addon.adjust(round % 2 === 0 ? 1000 : -1000)
        if (round % 10 === 0) offheap.addons()
        if (round % 7 === 0) offheap.watchAddons().stop()
      }
      if (process.argv.length % 2) watch.stop()
    \`
    const watch = offheap.watchAddons()
    async function main () {
      const exits = []
      for (let wave = 0; wave < 6; wave++) {
        exits.push(...await Promise.all([1, 2, 3].map(() => new Promise((resolve, reject) => {
          new Worker(body, { eval: true }).on('exit', resolve).on('error', reject)
        }))))
      }
      const rows = offheap.addons().rows.filter((row) => row.id !== null).length
      const { watchedEnvironmentCount } = require(${JSON.stringify(path.join(root, 'lib', 'base', 'load.js'))})
      console.log(JSON.stringify({ exits, rows, environments: watchedEnvironmentCount() }))
      watch.stop()
    }
    main()
  `)

  assert.deepStrictEqual(exits, new Array(18).fill(0))
  assert.deepStrictEqual({ rows, environments }, { rows: 0, environments: 0 })
})

test('a watch of a worker ends with the worker', { skip: needs(watchAddons) }, async () => {
  const { during, after } = await runChildForJson(`
    const { Worker } = require('node:worker_threads')
    const offheap = require(${JSON.stringify(root)})
    require(${JSON.stringify(file)})
    const worker = new Worker(\`
      require(${JSON.stringify(root)}).watchAddons()
      require('node:worker_threads').parentPort.postMessage('on')
      setInterval(() => {}, 1000)
    \`, { eval: true })
    const coverage = () => offheap.addons().rows[0].coverage
    worker.once('message', async () => {
      const during = coverage()
      await worker.terminate()
      console.log(JSON.stringify({ during, after: coverage() }))
    })
  `)

  assert.deepStrictEqual({ during, after }, { during: 'partial', after: 'none' })
})

test('checks name an addon that takes back more than it declared', { skip: needs(watchAddons) }, async () => {
  const { before, declared, below, off } = await runChildForJson(`
    const offheap = require(${JSON.stringify(root)})
    const off = offheap.addons().checks
    const watch = offheap.watchAddons()
    const addon = require(${JSON.stringify(file)})
    const before = offheap.addons().checks
    addon.adjust(40_009)
    addon.reference(1_021)
    const declared = offheap.addons().checks
    // Something else stays declared, so that V8's counter stays above 0.
    const held = new ArrayBuffer(1_000_000)
    addon.adjust(-50_009)
    const below = offheap.addons().checks
    // Else V8's counter would go below 0 when the ArrayBuffer goes, at the end at the latest.
    addon.adjust(10_000)
    watch.stop()
    console.log(JSON.stringify({ before, declared, below, off, held: held.byteLength }))
  `)

  assert.deepStrictEqual([off.liveReferencesBytes, off.addonExternalBytes, off.unattributedGlobalHandlesBytes], [null, null, null])
  assert.strictEqual(declared.addonExternalBytes - before.addonExternalBytes, 40_009)
  assert.strictEqual(declared.liveReferencesBytes - before.liveReferencesBytes, 1_021 * 32)
  // V8 agrees, hooks or not.
  assert.ok(declared.globalHandlesBytes - before.globalHandlesBytes >= 1_021 * 32)
  assert.deepStrictEqual(declared.warnings, [])
  assert.strictEqual(below.warnings.length, 1)
  const [{ code, file: where, threadId, message }] = below.warnings
  assert.deepStrictEqual({ code, where, threadId }, { code: 'external-memory-below-zero', where: file, threadId: 0 })
  assert.match(message, /10000 bytes/)
})

test('declared memory that no hook has counted has a figure, which strings, ArrayBuffers and Blobs do not change', { skip: needs(watchAddons) }, async () => {
  const { grown, hidden } = await runChildForJson(`
    const zlib = require('node:zlib')
    const offheap = require(${JSON.stringify(root)})
    const { settledReading } = require(${JSON.stringify(path.join(root, '__test__', 'helpers', 'settle.js'))})
    offheap.watchAddons()
    const { adjust } = require(${JSON.stringify(file)})
    const figures = () => settledReading(() => {
      const { unattributedDeclaredBytes: declared, unattributedExternalBytes: external } = offheap.addons().checks
      return { declared, external }
    })
    ;(async () => {
      const before = await figures()
      adjust(40_009)
      const held = [
        Buffer.alloc(5_000_003), new Blob([Buffer.alloc(30_000_001)]), new SharedArrayBuffer(20_000_003),
        Buffer.alloc(7_000_001, 65).toString('latin1')
      ]
      const after = await figures()
      const grown = { declared: after.declared - before.declared, external: after.external - before.external }
      const streams = Array.from({ length: 10 }, () => zlib.createDeflate())
      for (const stream of streams) stream.write('a')
      const hidden = (await figures()).declared - after.declared
      console.log(JSON.stringify({ grown, hidden, held: held.length }))
      process.exit()
    })()
  `, { execArgv: ['--expose-gc', '--no-warnings'] })

  assert.ok(Math.abs(grown.declared) < 4_096, `the unattributed declared bytes grew by ${grown.declared}`)
  // The rest of everything: a string adds to it, and what arrayBuffers alone counts is taken off it.
  assert.ok(Math.abs(grown.external - (7_000_001 - 50_000_004)) < 16_384, `the unattributed external bytes grew by ${grown.external}`)
  // Node's zlib declares what a stream takes: some 256 KiB.
  assert.ok(hidden > 2_000_000 && hidden < 4_000_000, `ten zlib streams declared ${hidden} bytes`)
})

test('a census recognizes external Buffers of watched addons, and does not subtract them from natively held memory', { skip: needs(watchAddons, probe) }, async () => {
  const { watched, unwatched, outweighed } = await runChildForJson(`
    const offheap = require(${JSON.stringify(root)})
    const addon = require(${JSON.stringify(file)})
    ;(async () => {
      const read = async () => {
        const { backingStores: { nativelyHeldBytes }, large } = await offheap.census({ mode: 'probe' })
        return [nativelyHeldBytes, large.top.filter(({ bytes }) => bytes === 3_000_017).map(({ kind, viewBytes }) => [kind, viewBytes])]
      }
      const held = [new Blob([Buffer.alloc(5_000_003)]), addon.externalBuffer(3_000_017)]
      const unwatched = await read()
      const watch = offheap.watchAddons()
      held[1] = addon.externalBuffer(3_000_017).subarray(0, 10)
      const watched = await read()
      watch.stop()
      held.push(addon.externalBuffer(9_000_001))
      const outweighed = await read()
      console.log(JSON.stringify({ watched, unwatched, outweighed, held: held.length }))
    })()
  `, { execArgv: ['--no-warnings'] })

  const close = ([bytes, rows], expected, kinds) => {
    assert.ok(Math.abs(bytes - expected) < 4_096, `${bytes} bytes are held natively, expected ${expected}`)
    assert.deepStrictEqual(rows, kinds)
  }
  close(watched, 5_000_003, [['addon', 10]])
  // At least: what an unwatched addon holds is found, and is no part of what Node's allocator made.
  close(unwatched, 5_000_003 - 3_000_017, [['plain', 3_000_017]])
  assert.deepStrictEqual(outweighed[0], null)
})
