'use strict'

const test = require('node:test')
const assert = require('node:assert')
const { runChild, runChildForJson } = require('../helpers/child.js')

test('a child gives its code and all it printed', async () => {
  const { code, signal, stdout, stderr } = await runChild('\nconsole.log(process.argv[1], process.env.COLOUR); console.error("e"); process.exitCode = 3', {
    args: ['first'], env: { COLOUR: 'green' }
  })

  assert.deepStrictEqual({ code, signal, stdout, stderr }, { code: 3, signal: null, stdout: 'first green\n', stderr: 'e\n' })
})

test('a child that a signal ends is a failure that shows what it printed', async () => {
  await assert.rejects(runChild('\nconsole.log("so far"); process.kill(process.pid, "SIGSEGV"); setInterval(() => {}, 1000)'), /ended by SIGSEGV[^]*so far/)
})

test('a child that does not end in time is ended', async () => {
  await assert.rejects(runChild('\nsetInterval(() => {}, 1000)', { timeoutMs: 300 }), /did not end within 300 ms/)
})

test('a child that prints no JSON, or fails, is a failure', async () => {
  await assert.rejects(runChildForJson('\nconsole.log("{")'), /printed no JSON/)
  await assert.rejects(runChildForJson('\nthrow new Error("boom")'), /code 1[^]*boom/)
})
