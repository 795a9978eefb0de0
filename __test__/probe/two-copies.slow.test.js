'use strict'

const test = require('node:test')
const assert = require('node:assert')
const fs = require('node:fs')
const path = require('node:path')
const { runChildForJson } = require('../helpers/child.js')
const { emptyFolder } = require('../helpers/folder.js')
const { support } = require('../..')

const { available, reason } = support().probe
const root = path.join(__dirname, '..', '..')

/** Another installation of the package. */
function anotherCopy (t) {
  const copy = emptyFolder(t)
  for (const name of ['index.js', 'package.json', 'lib', 'prebuilds', 'src']) fs.cpSync(path.join(root, name), path.join(copy, name), { recursive: true })
  return copy
}

test('two copies of the package in two threads have one probe at a time between them', { skip: available ? false : `no probe here: ${reason}` }, async (t) => {
  const { during, first, after } = await runChildForJson(path.join(__dirname, 'fixtures', 'two-copies.js'), { args: [anotherCopy(t)] })

  assert.deepStrictEqual([during, first, after], ['ERR_OFFHEAP_PROBE_IN_PROGRESS', 'first', 'second'])
})

test('while one copy watches addons, the other copy can probe, and its own watch is refused with a reason', { skip: available ? false : `no probe here: ${reason}` }, async (t) => {
  const said = await runChildForJson(`
    const first = require(${JSON.stringify(root)})
    const watch = first.watchAddons()
    const second = require(process.argv[1])
    ;(async () => {
      const said = { probe: await second.probe(() => 'second'), census: (await second.census()).mode, available: second.support().probe.available }
      try { second.watchAddons() } catch (error) { said.watch = error.code }
      watch.stop()
      console.log(JSON.stringify(said))
    })()
  `, { args: [anotherCopy(t)] })

  assert.deepStrictEqual(said, { probe: 'second', census: 'probe', available: true, watch: 'ERR_OFFHEAP_WATCH_REFUSED' })
})
