'use strict'

const test = require('node:test')
const assert = require('node:assert')
const { execFileSync } = require('node:child_process')
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

test('what nobody looked at is null, and so is everything where nothing was counted', { skip }, () => {
  const ones = new Float64Array(NUMBERS).fill(1)
  const sized = { liveCount: 1, liveBytes: 1, totalCount: 1, totalBytes: 1 }

  const { buffers, arrayBuffers, externalBuffers, instanceData } = figures(true, ones)
  assert.deepStrictEqual({ buffers, arrayBuffers, externalBuffers, instanceData }, { buffers: sized, arrayBuffers: sized, externalBuffers: sized, instanceData: true })
  const unseen = figures(false, ones)
  assert.deepStrictEqual([unseen.buffers, unseen.arrayBuffers], Array(2).fill({ ...sized, liveCount: null, liveBytes: null }))
  assert.deepStrictEqual(unseen.externalBuffers, sized)
  assert.deepStrictEqual(new Set(Object.values(noFigures()).flatMap((value) => typeof value === 'object' && value !== null ? Object.values(value) : [value])), new Set([null]))
})

test('where code must not be made from strings, the same figures are made without', { skip }, () => {
  const script = `
    const { NUMBERS, figures, noFigures } = require(${JSON.stringify(require.resolve('../../lib/addons/figures.js'))})
    const numbers = Float64Array.from({ length: NUMBERS }, (_, at) => at)
    let refused = false
    try { Function('return 1') } catch { refused = true }
    console.log(JSON.stringify([refused, figures(true, numbers), figures(false, numbers), figures(), noFigures()]))`
  const made = (...flags) => execFileSync(process.execPath, [...flags, '-e', script], { encoding: 'utf8' })

  const [refused, ...without] = JSON.parse(made('--disallow-code-generation-from-strings'))
  const [, ...compiled] = JSON.parse(made())
  assert.strictEqual(refused, true)
  // As text: the order of names is the same as well.
  assert.strictEqual(JSON.stringify(without), JSON.stringify(compiled))
})
