'use strict'

const test = require('node:test')
const assert = require('node:assert')
const { bytes, percentage } = require('../../lib/bytes.js')

test('sizes are powers of 1024, with or without the i', () => {
  const cases = [
    [1, 1], [1234567, 1234567], ['1B', 1], ['1KB', 1024], ['1KiB', 1024], ['512MB', 536870912], ['512mb', 536870912],
    ['512 MB', 536870912], ['1.5GB', 1610612736], ['1GiB', 1073741824], ['2TB', 2199023255552], ['0.5KB', 512], ['1.0009765625KB', 1025]
  ]
  for (const [value, expected] of cases) assert.strictEqual(bytes('x', value), expected, String(value))
})

test('anything else is refused with Node\'s codes', () => {
  const cases = [
    ['5', 'ERR_INVALID_ARG_VALUE'], ['', 'ERR_INVALID_ARG_VALUE'], ['MB', 'ERR_INVALID_ARG_VALUE'], ['-1MB', 'ERR_INVALID_ARG_VALUE'],
    ['1e3MB', 'ERR_INVALID_ARG_VALUE'], ['1,5GB', 'ERR_INVALID_ARG_VALUE'], ['1 M B', 'ERR_INVALID_ARG_VALUE'], ['1M', 'ERR_INVALID_ARG_VALUE'],
    ['1constructorB', 'ERR_INVALID_ARG_VALUE'], ['1constructor', 'ERR_INVALID_ARG_VALUE'], ['80%', 'ERR_INVALID_ARG_VALUE'],
    ['0MB', 'ERR_OUT_OF_RANGE'], ['0.1B', 'ERR_OUT_OF_RANGE'], ['9000TB', 'ERR_OUT_OF_RANGE'], ['9'.repeat(400) + 'B', 'ERR_OUT_OF_RANGE'],
    [0, 'ERR_OUT_OF_RANGE'], [-1, 'ERR_OUT_OF_RANGE'], [1.5, 'ERR_OUT_OF_RANGE'], [NaN, 'ERR_OUT_OF_RANGE'], [Infinity, 'ERR_OUT_OF_RANGE'],
    [2 ** 53, 'ERR_OUT_OF_RANGE'], [undefined, 'ERR_INVALID_ARG_TYPE'], [null, 'ERR_INVALID_ARG_TYPE'], [{}, 'ERR_INVALID_ARG_TYPE'],
    [1n, 'ERR_INVALID_ARG_TYPE'], [['1MB'], 'ERR_INVALID_ARG_TYPE']
  ]
  for (const [value, code] of cases) assert.throws(() => bytes('x', value), { code }, String(value))
})

test('percentages are more than 0 and at most 100', () => {
  for (const [value, expected] of [['80%', 80], ['0.5%', 0.5], ['100%', 100], ['80 %', 80]]) assert.strictEqual(percentage('x', value), expected)
  for (const value of ['0%', '0.0%', '150%', '100.1%']) assert.throws(() => percentage('x', value), { code: 'ERR_OUT_OF_RANGE' }, value)
  for (const value of ['%', '-5%', 'a%', '8 0%', 80, undefined, null]) assert.throws(() => percentage('x', value), { code: 'ERR_INVALID_ARG_VALUE' }, String(value))
})
