'use strict'

const test = require('node:test')
const assert = require('node:assert')
const fs = require('node:fs')
const { writeHeapSnapshot } = require('../../..')
const { emptyFolder } = require('../../helpers/folder.js')

const LIST = [undefined, null, NaN, -1, 1.5, Infinity, '5', {}, 2 ** 53]
const ARGUMENT = /^ERR_(INVALID_ARG_TYPE|INVALID_ARG_VALUE|OUT_OF_RANGE)$/

// What of the list is right for an option; everything else must be refused. `undefined` always means the default.
const RIGHT = {
  directory: ['5'],
  file: ['5'],
  reason: ['5'],
  gzip: [],
  maxFiles: [],
  maxTotalBytes: [],
  cooldownMs: [],
  minFreeDiskBytes: [],
  mode: [],
  fallback: [],
  scratch: [],
  timeoutMs: [],
  delayAbortMs: [],
  trim: [],
  report: [],
  signal: []
}

test('every option refuses what is wrong for it, with Node\'s own codes, before anything happens', async (t) => {
  const directory = emptyFolder(t)
  const before = process.cwd()
  process.chdir(directory)
  t.after(() => process.chdir(before))
  for (const [option, right] of Object.entries(RIGHT)) {
    for (const value of LIST) {
      if (value === undefined || right.includes(value)) continue
      await assert.rejects(writeHeapSnapshot({ [option]: value }), ({ code, message }) => {
        assert.match(code, ARGUMENT, `${option}: ${String(value)}`)
        assert.ok(message.includes(`*options.${option}*`), message)
        return true
      })
    }
  }
  assert.deepStrictEqual(fs.readdirSync(directory), [])
})

test('the codes are the right ones', async () => {
  const cases = [
    [null, 'ERR_INVALID_ARG_TYPE'],
    [5, 'ERR_INVALID_ARG_TYPE'],
    [[], 'ERR_INVALID_ARG_TYPE'],
    [{ directroy: '/tmp' }, 'ERR_INVALID_ARG_VALUE'],
    [{ directory: '' }, 'ERR_INVALID_ARG_VALUE'],
    [{ directory: 'a\0b' }, 'ERR_INVALID_ARG_VALUE'],
    [{ maxFiles: 0 }, 'ERR_OUT_OF_RANGE'],
    [{ maxTotalBytes: '0MB' }, 'ERR_OUT_OF_RANGE'],
    [{ maxTotalBytes: 'lots' }, 'ERR_INVALID_ARG_VALUE'],
    [{ mode: 'fork' }, 'ERR_INVALID_ARG_VALUE'],
    [{ reason: 'x'.repeat(201) }, 'ERR_OUT_OF_RANGE'],
    [{ file: 'a/' }, 'ERR_INVALID_ARG_VALUE'],
    [{ file: 'a', directory: 'b' }, 'ERR_INVALID_ARG_VALUE'],
    [{ file: 'a', maxFiles: 1 }, 'ERR_INVALID_ARG_VALUE'],
    [{ file: 'a', maxTotalBytes: 1 }, 'ERR_INVALID_ARG_VALUE']
  ]
  for (const [options, code] of cases) await assert.rejects(writeHeapSnapshot(options), { code }, JSON.stringify(options))
})

test('an unknown option names the near one', async () => {
  await assert.rejects(writeHeapSnapshot({ directroy: '/tmp' }), { message: /did you mean "directory"/ })
})
