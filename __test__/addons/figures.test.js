'use strict'

const test = require('node:test')
const assert = require('node:assert')
const binding = require('../../lib/base/load.js')
const { NUMBERS, figures, noFigures } = require('../../lib/addons/figures.js')

const skip = binding.addonFigures === undefined && 'addons cannot be watched here'

/** The names in an object of figures, as the native side writes them. */
function names (object) {
  return Object.entries(object).flatMap(([name, value]) => typeof value === 'object' && value !== null
    ? Object.keys(value).map((inner) => `${name}.${inner}`)
    : [name])
}

test('the figures of both sides are one list', { skip }, () => {
  const declared = binding.addonFigures().map(({ name }) => name)

  assert.strictEqual(NUMBERS, declared.length)
  assert.deepStrictEqual(names(figures()), declared)
  assert.deepStrictEqual(names(noFigures()), declared)
})

test('each figure has its own number', { skip }, () => {
  const made = figures(true, Float64Array.from({ length: NUMBERS }, (_, at) => at + 1_000))
  const value = (name) => name.split('.').reduce((object, key) => object[key], made)

  for (const [at, { name, shown }] of binding.addonFigures().entries()) {
    assert.strictEqual(value(name), shown === 'flag' ? false : at + 1_000, name)
  }
})

test('a figure that is only counted on request is null without the request, and all figures are null without counting', { skip }, () => {
  const ones = new Float64Array(NUMBERS).fill(1)
  const sized = { liveCount: 1, liveBytes: 1, totalCount: 1, totalBytes: 1 }

  const { buffers, arrayBuffers, externalBuffers, instanceData } = figures(true, ones)
  assert.deepStrictEqual({ buffers, arrayBuffers, externalBuffers, instanceData }, { buffers: sized, arrayBuffers: sized, externalBuffers: sized, instanceData: true })
  const unseen = figures(false, ones)
  assert.deepStrictEqual([unseen.buffers, unseen.arrayBuffers], Array(2).fill({ ...sized, liveCount: null, liveBytes: null }))
  assert.deepStrictEqual(unseen.externalBuffers, sized)
  assert.deepStrictEqual(new Set(Object.values(noFigures()).flatMap((value) => typeof value === 'object' && value !== null ? Object.values(value) : [value])), new Set([null]))
})
