'use strict'

const test = require('node:test')
const assert = require('node:assert')
const path = require('node:path')
const { runChildForJson } = require('../helpers/child.js')
const { support } = require('../..')

const root = path.join(__dirname, '..', '..')
const { available, reason } = support().probe

test('a probe that is aborted at any moment ends, also while it waits for its next attempt', { skip: available ? false : `no probe here: ${reason}` }, async () => {
  // Each child waits for somebody who is not there, so that five are made, with waits in between of 30 ms in all.
  const codes = await runChildForJson(`
    const { probe } = require(${JSON.stringify(root)})
    const wait = () => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)
    async function main () {
      const codes = {}
      for (let delayMs = 1; delayMs <= 60; delayMs += 2) {
        const controller = new AbortController()
        setTimeout(() => controller.abort(), delayMs)
        const { code } = await probe(wait, { signal: controller.signal }).catch((error) => error)
        codes[code] = (codes[code] ?? 0) + 1
      }
      // The session is over each time: the next probe has its turn.
      codes.next = await probe(() => 'works')
      return codes
    }
    main().then((codes) => console.log(JSON.stringify(codes)))
  `, { timeoutMs: 30_000 })

  const { ERR_OFFHEAP_ABORTED: aborted = 0, ERR_OFFHEAP_PROBE_DEADLOCK: deadlocked = 0, ...others } = codes
  assert.deepStrictEqual([aborted + deadlocked, others], [30, { next: 'works' }])
  assert.ok(aborted > 0)
})
