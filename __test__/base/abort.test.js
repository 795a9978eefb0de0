'use strict'

const test = require('node:test')
const assert = require('node:assert')
const { getEventListeners } = require('node:events')
const { abortedBy, onAbort, throwIfAborted } = require('../../lib/base/abort.js')
const { joined } = require('../../lib/base/joining.js')

const listeners = (signal) => getEventListeners(signal, 'abort').length

test('an aborted operation has one code, and the reason of the signal as its cause', () => {
  const reason = new Error('no longer wanted')
  const error = abortedBy(AbortSignal.abort(reason))
  assert.deepStrictEqual([error.name, error.code, error.cause], ['OffheapError', 'ERR_OFFHEAP_ABORTED', reason])
})

test('only a signal that has aborted throws', () => {
  throwIfAborted(undefined)
  const controller = new AbortController()
  throwIfAborted(controller.signal)
  controller.abort(7)
  assert.throws(() => throwIfAborted(controller.signal), { code: 'ERR_OFFHEAP_ABORTED', cause: 7 })
})

test('a listener is called once, at once where the signal has aborted, and not after it was removed', () => {
  const seen = []
  const controller = new AbortController()
  onAbort(controller.signal, () => seen.push('kept'))
  const remove = onAbort(controller.signal, () => seen.push('removed'))
  assert.strictEqual(listeners(controller.signal), 2)
  remove()
  assert.strictEqual(listeners(controller.signal), 1)
  controller.abort()
  controller.abort()
  assert.deepStrictEqual(seen, ['kept'])

  onAbort(controller.signal, () => seen.push('late'))()
  onAbort(undefined, () => seen.push('never'))()
  assert.deepStrictEqual([seen, listeners(controller.signal)], [['kept', 'late'], 0])
})

test('an abort of one caller leaves a joined run to the others; an abort of the last caller ends the run', async () => {
  let end
  const run = { waiting: 0, controller: new AbortController(), result: new Promise((resolve, reject) => { end = reject }) }
  const [first, last] = [new AbortController(), new AbortController()]
  const waits = [first, last].map(({ signal }) => joined(run, signal))
  first.abort('first')
  await assert.rejects(waits[0], { code: 'ERR_OFFHEAP_ABORTED', cause: 'first' })
  assert.deepStrictEqual([run.controller.signal.aborted, run.waiting], [false, 1])
  last.abort('last')
  assert.deepStrictEqual([run.controller.signal.aborted, run.controller.signal.reason], [true, 'last'])
  const failure = new Error('the run has ended')
  end(failure)
  await assert.rejects(waits[1], failure)
  assert.deepStrictEqual([listeners(first.signal), listeners(last.signal)], [0, 0])
})

test('a joined run that succeeds takes its listener off the signal', async () => {
  const { signal } = new AbortController()
  const run = { waiting: 0, controller: new AbortController(), result: Promise.resolve(1_234_567) }
  assert.strictEqual(await joined(run, signal), 1_234_567)
  assert.strictEqual(listeners(signal), 0)
})

test('a caller that is aborted already does not join', async () => {
  const run = { waiting: 1, controller: new AbortController(), result: new Promise(() => {}) }
  await assert.rejects(joined(run, AbortSignal.abort()), { code: 'ERR_OFFHEAP_ABORTED' })
  assert.deepStrictEqual([run.waiting, run.controller.signal.aborted], [1, false])
})
