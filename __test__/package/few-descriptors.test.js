'use strict'

// Where descriptors are short, every part that fails says so: no other reason, and none that would last.

const test = require('node:test')
const assert = require('node:assert')
const { runScript } = require('../helpers/child.js')
const { support } = require('../..')

const skip = process.platform !== 'linux' ? `needs /proc and ulimit; this is ${process.platform}` : false
const noProbe = skip || (support().probe.available ? false : `no probe here: ${support().probe.reason}`)

// A process with 64 descriptors, of which all but a few are in use while `what` is done.
const PRELUDE = `
  const fs = require('node:fs')
  function withFree (count, what) {
    const taken = []
    try {
      for (;;) taken.push(fs.openSync('/dev/null'))
    } catch {}
    for (let free = 0; free < count; free++) fs.closeSync(taken.pop())
    const giveBack = () => { for (const descriptor of taken.splice(0)) fs.closeSync(descriptor) }
    return Promise.resolve().then(what).then((value) => ({ value }), ({ code, message }) => ({ code, message })).finally(giveBack)
  }
`

async function run (source) {
  const { code, stderr, messages } = await runScript(`${PRELUDE}\n${source}`, { command: ['sh', '-c', 'ulimit -n 64; exec "$0" "$@"'], timeoutMs: 120_000 })
  assert.strictEqual(code, 0, stderr)
  return messages
}

test('a probe with too few descriptors says so, however many there are', { skip: noProbe }, async () => {
  const answers = await run(`
    (async () => {
      for (let free = 0; ; free++) {
        const answer = await withFree(free, () => offheap.probe(() => 'works'))
        await send({ free, ...answer })
        if (answer.value !== undefined || free > 40) break
      }
    })()
  `)
  const last = answers.pop()
  assert.strictEqual(last.value, 'works', JSON.stringify(last))
  assert.ok(answers.length >= 8, String(answers.length))
  for (const { free, code, message } of answers) {
    assert.strictEqual(code, 'ERR_OFFHEAP_PROBE_FAILED', message)
    assert.match(message, /Too many open files/, `with ${free} descriptors: ${message}`)
  }
})

test('a threshold that cannot be checked without a descriptor is ERR_OFFHEAP_READ_FAILED, not an unavailable metric', { skip }, async () => {
  const [answer] = await run(`
    // The files of start() are loaded at its first call.
    offheap.start().stop()
    withFree(0, () => offheap.start({ thresholds: { rss: '80%' } }).stop()).then(send)
  `)
  assert.strictEqual(answer.code, 'ERR_OFFHEAP_READ_FAILED', answer.message)
  assert.match(answer.message, /rss.*too many open files.*RLIMIT_NOFILE/)
})

test('support() without a descriptor has the system\'s reason, and the right answer once there is one', { skip }, async () => {
  const [{ before, short, after }] = await run(`
    const ask = () => { const { cgroup, residentBreakdown } = offheap.support(); return [cgroup.reason, residentBreakdown.reason] }
    withFree(0, ask).then(async ({ value: short }) => send({ short, after: ask(), before: await withFree(20, ask).then(({ value }) => value) }))
  `)
  assert.deepStrictEqual(short, ['/proc/self/cgroup cannot be read (Too many open files)', '/proc/self/smaps cannot be read (Too many open files)'])
  assert.deepStrictEqual(after, before)
})

test('a first call whose files cannot be read without a descriptor says so, and the next one works', { skip }, async () => {
  const [answer] = await run(`
    (async () => {
      const short = []
      for (const call of [() => offheap.census({ mode: 'in-process' }), () => offheap.reading(), () => offheap.start()]) short.push(await withFree(0, call))
      offheap.start().stop()
      await send({ short, census: (await offheap.census({ mode: 'in-process' })).mode, pid: offheap.reading().pid === process.pid })
    })()
  `)
  assert.deepStrictEqual(answer.short.map(({ code }) => code), Array(3).fill('ERR_OFFHEAP_READ_FAILED'))
  assert.match(answer.short[0].message, /census\(\).*first call.*too many open files/)
  assert.deepStrictEqual([answer.census, answer.pid], ['in-process', true])
})
