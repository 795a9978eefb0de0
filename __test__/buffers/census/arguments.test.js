'use strict'

const test = require('node:test')
const assert = require('node:assert')
const { census } = require('../../..')

const LIST = [null, NaN, -1, 1.5, Infinity, '5', {}, 2 ** 53]
const ARGUMENT = /^ERR_(INVALID_ARG_TYPE|INVALID_ARG_VALUE|OUT_OF_RANGE)$/

test('every option refuses what is wrong for it, with Node\'s own codes, before anything happens', async () => {
  for (const option of ['mode', 'fallback', 'top', 'retainers', 'timeoutMs', 'maxPauseMs', 'signal']) {
    for (const value of LIST) {
      await assert.rejects(census({ [option]: value }), ({ code, message }) => {
        assert.match(code, ARGUMENT, `${option}: ${String(value)}`)
        assert.ok(message.includes(`*options.${option}*`), message)
        return true
      })
    }
  }
  await assert.rejects(census({ top: 0 }), { code: 'ERR_OUT_OF_RANGE' })
  await assert.rejects(census({ top: 1001 }), { code: 'ERR_OUT_OF_RANGE' })
  await assert.rejects(census({ maxPauseMs: 0 }), { code: 'ERR_OUT_OF_RANGE' })
  await assert.rejects(census(5), { code: 'ERR_INVALID_ARG_TYPE' })
})

test('a misspelt option is refused with the near spelling', async () => {
  await assert.rejects(census({ retainer: true }), /did you mean "retainers"/)
})
