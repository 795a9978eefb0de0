'use strict'

// Node ignores SIGPIPE; a service that has had a listener for it does not ignore it any more, and a write to a closed pipe ends it.

const test = require('node:test')
const assert = require('node:assert')
const { root, runChild, runChildForJson } = require('../helpers/child.js')
const { emptyFolder } = require('../helpers/folder.js')
const { support } = require('../..')

const { available, reason } = support().probe
const skip = available ? false : `no probe here: ${reason}`

const work = `
  const { census, probe, writeHeapSnapshot } = require(${JSON.stringify(root)})
  const all = async () => {
    for (let round = 0; round < 20; round++) await probe(() => round)
    for (let round = 0; round < 5; round++) await census()
    for (let round = 0; round < 3; round++) await writeHeapSnapshot({ directory: process.argv[1] })
    await probe(() => { throw new Error('no') }).catch(() => {})
    const controller = new AbortController()
    const aborted = probe(() => { for (;;); }, { signal: controller.signal }).catch(() => {})
    setTimeout(() => controller.abort(), 50)
    await aborted
  }
`

test('a service in which SIGPIPE has its default action survives every end of a probe', { skip }, async (t) => {
  const { code, signal, stdout } = await runChild(`
    const listener = () => {}
    process.on('SIGPIPE', listener).off('SIGPIPE', listener)
    ${work}
    all().then(() => console.log('survived'))
  `, { args: [emptyFolder(t)], mayBeKilled: true })

  assert.deepStrictEqual([code, signal, stdout], [0, null, 'survived\n'])
})

test('a service with a listener for SIGPIPE receives none', { skip }, async (t) => {
  assert.strictEqual(await runChildForJson(`
    let heard = 0
    process.on('SIGPIPE', () => { heard++ })
    ${work}
    all().then(() => setTimeout(() => { console.log(heard); process.exit(0) }, 100))
  `, { args: [emptyFolder(t)] }), 0)
})
