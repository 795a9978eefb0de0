'use strict'

const test = require('node:test')
const assert = require('node:assert')
const { runChild, runChildForJson } = require('../../helpers/child.js')
const { fixtureAddon } = require('../../helpers/fixture-addon.js')

const register = require.resolve('offheap/register')
const { file, skip } = fixtureAddon('everything')

const script = `
  const offheap = require(${JSON.stringify(require.resolve('../../..'))})
  const addon = require(${JSON.stringify(file)})
  addon.references(3, 1)
  const rows = () => offheap.addons().rows.map(({ coverage, threadId, references }) => [threadId, coverage, references.liveCount])
`
const saysRows = `${script}\nprocess.stdout.write(JSON.stringify(rows()))`

for (const [how, options] of Object.entries({
  '-r': { execArgv: ['-r', register] },
  '--import': { execArgv: ['--import', register] },
  'NODE_OPTIONS with -r': { env: { NODE_OPTIONS: `-r ${register}` } },
  'NODE_OPTIONS with --import': { env: { NODE_OPTIONS: `--import ${register}` } },
  'both at once': { execArgv: ['-r', register, '--import', register] }
})) {
  test(`addons are counted from their first call on: ${how}`, { skip }, async () => {
    assert.deepStrictEqual(await runChildForJson(saysRows, options), [[0, 'full', 3]])
  })
}

test('it is preloaded in workers too, and watching goes on when one of them ends', { skip }, async () => {
  const seen = await runChildForJson(`${script}
    const { Worker } = require('node:worker_threads')
    const work = 'require(' + ${JSON.stringify(JSON.stringify(file))} + ').references(5, 1); const { parentPort } = require("node:worker_threads"); parentPort.postMessage(1); parentPort.once("message", () => {})'
    const worker = new Worker(work, { eval: true })
    worker.once('message', () => {
      const during = rows()
      worker.once('exit', () => {
        addon.references(7, 1)
        process.stdout.write(JSON.stringify({ during, after: rows() }))
      })
      const id = worker.threadId
      for (const row of during) if (row[0] === id) row[0] = 'the worker'
      worker.postMessage('end')
    })
  `, { execArgv: ['-r', register] })

  assert.deepStrictEqual(seen, { during: [[0, 'full', 3], ['the worker', 'full', 5]], after: [[0, 'full', 10]] })
})

test('OFFHEAP_ADDONS=0 leaves addons alone', { skip }, async () => {
  for (const value of ['0', 'false']) {
    assert.deepStrictEqual(await runChildForJson(saysRows, { execArgv: ['-r', register], env: { OFFHEAP_ADDONS: value } }), [[null, 'none', null]])
  }
})

test('a wrong value is a warning, and addons are watched as by default', { skip }, async () => {
  const { code, stdout, stderr } = await runChild(saysRows, { execArgv: ['-r', register], env: { OFFHEAP_ADDONS: 'perhaps' } })

  assert.deepStrictEqual([code, stdout], [0, '[[0,"full",3]]'])
  assert.match(stderr, /\[ERR_INVALID_ARG_VALUE\] OffheapWarning: offheap\/register: OFFHEAP_ADDONS: "perhaps" is not used\. .*"1" or "0"/)
})

test('where addons cannot be watched the service starts with a warning', { skip }, async () => {
  // GIVEN a process that looks like Electron
  const { code, stdout, stderr } = await runChild(`
    process.stdout.write('started')
  `, { execArgv: ['-r', register], env: { NODE_OPTIONS: '-r ' + require('node:path').join(__dirname, 'fixtures', 'refuse.js') } })

  assert.deepStrictEqual([code, stdout], [0, 'started'])
  assert.match(stderr, /OffheapWarning: offheap\/register: Addons cannot be watched: .*; OFFHEAP_ADDONS=0 leaves this out/)
})
