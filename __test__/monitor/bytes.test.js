'use strict'

const test = require('node:test')
const assert = require('node:assert')
const { bytes, percentage } = require('../../lib/base/units.js')
const { bytes: print } = require('../../lib/base/format.js')

test('kB, MB, GB and TB are powers of 1000, KiB, MiB, GiB and TiB powers of 1024', () => {
  const cases = [
    [1, 1], [1234567, 1234567], ['1B', 1], ['1kB', 1_000], ['1KB', 1_000], ['1KiB', 1_024], ['512MB', 512_000_000], ['512mb', 512_000_000],
    ['512 MB', 512_000_000], ['512MiB', 536_870_912], ['512 mib', 536_870_912], ['1.5GB', 1_500_000_000], ['1.5GiB', 1_610_612_736],
    ['2TB', 2_000_000_000_000], ['2TiB', 2_199_023_255_552], ['0.5KiB', 512], ['1.0009765625KiB', 1_025],
    // Whose product as a floating-point number lies just below.
    ['1.001kB', 1_001], ['8.2MB', 8_200_000], ['4.35GB', 4_350_000_000], ['0.0019kB', 1]
  ]
  for (const [value, expected] of cases) assert.strictEqual(bytes('x', value), expected, String(value))
})

test('a size that a report prints can be parsed as the same size', () => {
  for (const size of [0, 999, 1_500, 676_000, 4_200_000, 382_000_000, 1_200_000_000, 9_100_000_000_000]) assert.strictEqual(bytes('x', print(size), { min: 0 }), size)
})

test('anything else is refused with Node\'s codes', () => {
  const cases = [
    ['5', 'ERR_INVALID_ARG_VALUE'], ['', 'ERR_INVALID_ARG_VALUE'], ['MB', 'ERR_INVALID_ARG_VALUE'], ['-1MB', 'ERR_INVALID_ARG_VALUE'],
    ['1e3MB', 'ERR_INVALID_ARG_VALUE'], ['1,5GB', 'ERR_INVALID_ARG_VALUE'], ['1 M B', 'ERR_INVALID_ARG_VALUE'], ['1M', 'ERR_INVALID_ARG_VALUE'],
    ['1constructorB', 'ERR_INVALID_ARG_VALUE'], ['1constructor', 'ERR_INVALID_ARG_VALUE'], ['80%', 'ERR_INVALID_ARG_VALUE'],
    ['0MB', 'ERR_OUT_OF_RANGE'], ['0.1B', 'ERR_OUT_OF_RANGE'], ['9008TB', 'ERR_OUT_OF_RANGE'], ['8192TiB', 'ERR_OUT_OF_RANGE'], ['9'.repeat(400) + 'B', 'ERR_OUT_OF_RANGE'],
    [0, 'ERR_OUT_OF_RANGE'], [-1, 'ERR_OUT_OF_RANGE'], [1.5, 'ERR_OUT_OF_RANGE'], [NaN, 'ERR_OUT_OF_RANGE'], [Infinity, 'ERR_OUT_OF_RANGE'],
    [2 ** 53, 'ERR_OUT_OF_RANGE'], [undefined, 'ERR_INVALID_ARG_TYPE'], [null, 'ERR_INVALID_ARG_TYPE'], [{}, 'ERR_INVALID_ARG_TYPE'],
    [1n, 'ERR_INVALID_ARG_TYPE'], [['1MB'], 'ERR_INVALID_ARG_TYPE']
  ]
  for (const [value, code] of cases) assert.throws(() => bytes('x', value), { code }, String(value))
})

test('a unit without its B is answered with what may be meant', () => {
  for (const [value, meant] of [['512m', '"512MB" or "512MiB"'], ['512Mi', '"512MiB"'], ['1.5g', '"1.5GB" or "1.5GiB"'], ['64 k', '"64kB" or "64KiB"']]) {
    assert.throws(() => bytes('x', value), ({ code, message }) => code === 'ERR_INVALID_ARG_VALUE' && message.includes(`; did you mean ${meant}?,`), value)
  }
})

test('percentages are more than 0 and at most 100', () => {
  for (const [value, expected] of [['80%', 80], ['0.5%', 0.5], ['100%', 100], ['80 %', 80]]) assert.strictEqual(percentage('x', value), expected)
  for (const value of ['0%', '0.0%', '150%', '100.1%']) assert.throws(() => percentage('x', value), { code: 'ERR_OUT_OF_RANGE' }, value)
  for (const value of ['%', '-5%', 'a%', '8 0%', 80, undefined, null]) assert.throws(() => percentage('x', value), { code: 'ERR_INVALID_ARG_VALUE' }, String(value))
})
