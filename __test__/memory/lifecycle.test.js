'use strict'

const test = require('node:test')
const assert = require('node:assert')
const path = require('node:path')
const { runChildForJson } = require('../helpers/child.js')

const root = path.join(__dirname, '..', '..')

test('workers may be terminated in the middle of a breakdown or a trim', async () => {
  const ended = await runChildForJson(`
    const { Worker } = require('node:worker_threads')
    const source = \`
      const { memory, residentBreakdown, trim, support } = require(${JSON.stringify(root)})
      const { parentPort } = require('node:worker_threads')
      const buffer = Buffer.alloc(5e6, 1)
      const loop = async () => { for (;;) { memory(); support(); await Promise.allSettled([residentBreakdown(), trim()]); buffer.fill(1) } }
      loop()
      loop()
      setImmediate(() => parentPort.postMessage('running'))
    \`
    ;(async () => {
      let ended = 0
      for (let round = 0; round < 5; round++) {
        await Promise.all(Array.from({ length: 4 }, async (_, index) => {
          const worker = new Worker(source, { eval: true })
          await new Promise((resolve) => worker.once('message', resolve))
          await new Promise((resolve) => setTimeout(resolve, index * 7))
          await worker.terminate()
          ended++
        }))
      }
      const { memory, residentBreakdown, support } = require(${JSON.stringify(root)})
      if (support().residentBreakdown.available) await residentBreakdown()
      console.log(JSON.stringify({ ended, heapUsed: memory().heapUsed }))
    })()
  `, { timeoutMs: 120_000 })

  assert.strictEqual(ended.ended, 20)
})

test('the process may exit in the middle of a breakdown or a trim', async () => {
  for (let round = 0; round < 5; round++) {
    const ended = await runChildForJson(`
      const { residentBreakdown, trim } = require(${JSON.stringify(root)})
      for (let i = 0; i < 6; i++) Promise.allSettled([residentBreakdown(), trim()])
      setTimeout(() => { process.stdout.write('true'); process.exit(0) }, ${round})
    `)
    assert.strictEqual(ended, true)
  }
})

test('a breakdown and a trim do not keep the process alive once they are done', async () => {
  const finished = await runChildForJson(`
    const { residentBreakdown, trim } = require(${JSON.stringify(root)})
    let settled = 0
    for (const promise of [residentBreakdown(), trim()]) promise.catch(() => {}).then(() => settled++)
    process.on('exit', () => console.log(settled))
  `)

  assert.strictEqual(finished, 2)
})

test('the addon loaded twice in one process gives the same answers', async () => {
  const { first, second } = await runChildForJson(`
    const first = require(${JSON.stringify(root)})
    for (const file of Object.keys(require.cache)) delete require.cache[file]
    const second = require(${JSON.stringify(root)})
    const figures = ({ memory }) => { const { machineTotalBytes, cgroupLimitBytes, heapLimitBytes } = memory(); return { machineTotalBytes, cgroupLimitBytes, heapLimitBytes } }
    if (first === second) throw new Error('loaded once')
    console.log(JSON.stringify({ first: figures(first), second: figures(second) }))
  `)

  assert.deepStrictEqual(first, second)
})
