'use strict'

const test = require('node:test')
const assert = require('node:assert')
const { allocExternal, createRouteContext, externalAllocations, track, untrack } = require('../..')

const WRONG = [null, undefined, NaN, -1, 1.5, Infinity, '5', 5, true, 5n, Symbol('s')]

test('track and untrack refuse what is no object', () => {
  for (const value of WRONG) {
    assert.throws(() => track(value), { name: 'TypeError', code: 'ERR_INVALID_ARG_TYPE' })
    assert.throws(() => track(value, { byteLength: 1 }), { name: 'TypeError', code: 'ERR_INVALID_ARG_TYPE' })
    assert.throws(() => untrack(value), { name: 'TypeError', code: 'ERR_INVALID_ARG_TYPE' })
  }
})

test('an object that is no buffer needs a byteLength', () => {
  for (const value of [{}, [], () => {}, new Map()]) {
    assert.throws(() => track(value), { name: 'TypeError', code: 'ERR_INVALID_ARG_TYPE', message: /options\.byteLength/ })
    assert.throws(() => track(value, { label: 'x' }), { code: 'ERR_INVALID_ARG_TYPE' })
  }
})

test('a wrong byteLength is refused by its type or its range', () => {
  for (const byteLength of [null, true, 5n, {}]) {
    assert.throws(() => track({}, { byteLength }), { name: 'TypeError', code: 'ERR_INVALID_ARG_TYPE' })
  }
  for (const byteLength of [NaN, -1, 1.5, Infinity, 2 ** 53]) {
    assert.throws(() => track({}, { byteLength }), { name: 'RangeError', code: 'ERR_OUT_OF_RANGE' })
  }
  assert.throws(() => track({}, { byteLength: '5' }), { name: 'TypeError', code: 'ERR_INVALID_ARG_VALUE' })
  assert.throws(() => allocExternal('5'), { name: 'TypeError', code: 'ERR_INVALID_ARG_VALUE' })
  for (const byteLength of [undefined, null, {}, 5n]) {
    assert.throws(() => allocExternal(byteLength), { name: 'TypeError', code: 'ERR_INVALID_ARG_TYPE' })
  }
})

test('a label is a string of 1 to 256 characters', () => {
  for (const label of [null, 5, {}, true]) {
    assert.throws(() => track(Buffer.alloc(100), { label }), { code: 'ERR_INVALID_ARG_TYPE' })
    assert.throws(() => allocExternal(1, { label }), { code: 'ERR_INVALID_ARG_TYPE' })
  }
  assert.throws(() => track(Buffer.alloc(100), { label: '' }), { code: 'ERR_INVALID_ARG_VALUE' })
  assert.throws(() => track(Buffer.alloc(100), { label: 'x'.repeat(257) }), { code: 'ERR_OUT_OF_RANGE' })
})

test('options are an object with known names; a misspelt one is named', () => {
  for (const options of [null, 5, 'label', true]) {
    assert.throws(() => track(Buffer.alloc(100), options), { code: 'ERR_INVALID_ARG_TYPE' })
    assert.throws(() => allocExternal(1, options), { code: 'ERR_INVALID_ARG_TYPE' })
    assert.throws(() => externalAllocations(options), { code: 'ERR_INVALID_ARG_TYPE' })
  }
  assert.throws(() => track(Buffer.alloc(100), { lable: 'x' }), { code: 'ERR_INVALID_ARG_VALUE', message: /did you mean "label"/ })
  assert.throws(() => track({}, { byteLength: 1, bytelength: 2 }), { code: 'ERR_INVALID_ARG_VALUE', message: /did you mean "byteLength"/ })
  assert.throws(() => allocExternal(1, { byteLength: 5 }), { code: 'ERR_INVALID_ARG_VALUE' })
  assert.throws(() => externalAllocations({ scope: 'thread' }), { code: 'ERR_INVALID_ARG_VALUE', message: /"environment", "process"/ })
})

test('a refused call counts nothing', () => {
  const before = externalAllocations()
  assert.throws(() => track(Buffer.alloc(100), { label: 5 }))
  assert.throws(() => track({}, { label: 'refused' }))
  assert.throws(() => allocExternal(-1, { label: 'refused' }))

  assert.deepStrictEqual(externalAllocations(), before)
})

test('a route context takes a string or a function, and runs functions only', () => {
  for (const route of [undefined, null, 5, {}]) {
    assert.throws(() => createRouteContext(route), { name: 'TypeError', code: 'ERR_INVALID_ARG_TYPE' })
  }
  assert.throws(() => createRouteContext(''), { code: 'ERR_INVALID_ARG_VALUE' })
  assert.throws(() => createRouteContext('GET /').run('no function'), { code: 'ERR_INVALID_ARG_TYPE' })
})
