'use strict'

const test = require('node:test')
const assert = require('node:assert')
const { OffheapError } = require('../../lib/base/errors.js')
const { childOrHere } = require('../../lib/probe/child-or-here.js')
const { inTurn } = require('../../lib/probe/in-turn.js')
const { support } = require('../..')

const { available, reason } = support().probe
const skip = available ? false : `no probe here: ${reason}`

/** Where the work was done, or the code of the error. */
async function done (wish, code) {
  const places = []
  const fail = () => { throw new OffheapError(code, 'as the test says') }
  const work = {
    said: ['A test', 'take'],
    timeoutMs: 1_234_567,
    inChild: async () => {
      places.push('child')
      return code === undefined ? 'child' : fail()
    },
    here: () => {
      places.push('here')
      return 'here'
    }
  }
  return [await childOrHere(wish, work).catch((error) => error.code), places.join(' ')]
}

const ANOTHER_WAY = ['ERR_OFFHEAP_UNSUPPORTED_PLATFORM', 'ERR_OFFHEAP_PROBE_FAILED', 'ERR_OFFHEAP_PROBE_DEADLOCK']
const NO_OTHER_WAY = [
  'ERR_OFFHEAP_NO_HEADROOM', 'ERR_OFFHEAP_PROBE_CRASHED', 'ERR_OFFHEAP_PROBE_TIMEOUT', 'ERR_OFFHEAP_ABORTED', 'ERR_OFFHEAP_PROBE_RESULT_REFUSED',
  'ERR_OFFHEAP_SNAPSHOT_NO_DISK_SPACE', 'ERR_OFFHEAP_SNAPSHOT_WRITE_FAILED', 'ERR_OFFHEAP_INTERNAL'
]

test('in-process runs here, and does not check whether the probe is available', async () => {
  for (const fallback of [true, false]) assert.deepStrictEqual(await done({ mode: 'in-process', fallback }), ['here', 'here'])
})

test('work that succeeds in the child does not run here too', { skip }, async () => {
  for (const mode of ['auto', 'probe']) {
    for (const fallback of [true, false]) assert.deepStrictEqual(await done({ mode, fallback }), ['child', 'child'])
  }
})

test('work falls back to this process only with auto and fallback, and only when the child itself failed', { skip }, async () => {
  for (const code of ANOTHER_WAY) {
    assert.deepStrictEqual(await done({ mode: 'auto', fallback: true }, code), ['here', 'child here'], code)
    assert.deepStrictEqual(await done({ mode: 'auto', fallback: false }, code), [code, 'child'], code)
    assert.deepStrictEqual(await done({ mode: 'probe', fallback: true }, code), [code, 'child'], code)
  }
  for (const code of NO_OTHER_WAY) assert.deepStrictEqual(await done({ mode: 'auto', fallback: true }, code), [code, 'child'], code)
})

const inProgress = () => { throw new OffheapError('ERR_OFFHEAP_PROBE_IN_PROGRESS', 'as the test says') }

test('work waits for the probe of another thread, and the wait counts for its time limit', async () => {
  const left = []
  const result = await inTurn(undefined, 60_000, async (timeLeftMs) => {
    left.push(timeLeftMs)
    return left.length < 3 ? inProgress() : 'done'
  })
  assert.deepStrictEqual([result, left.length], ['done', 3])
  assert.ok(left[0] <= 60_000 && left[2] < left[1] && left[1] < left[0], `${left}`)
})

test('a wait ends at the timeout, at an abort, and at any other failure', async () => {
  let tries = 0
  const busy = async () => {
    tries++
    inProgress()
  }
  await assert.rejects(inTurn(undefined, 200, busy), { code: 'ERR_OFFHEAP_PROBE_IN_PROGRESS' })
  assert.ok(tries > 1, `${tries}`)
  tries = 0
  await assert.rejects(inTurn(AbortSignal.abort('why'), 60_000, busy), { code: 'ERR_OFFHEAP_ABORTED', cause: 'why' })
  assert.strictEqual(tries, 1)
  const failure = new Error('as the test says')
  await assert.rejects(inTurn(undefined, 60_000, async () => { throw failure }), failure)
})
