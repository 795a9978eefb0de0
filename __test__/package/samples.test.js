'use strict'

// Every sample in the documentation compiles as it stands. samples.slow.test.js runs them.

const test = require('node:test')
const assert = require('node:assert')
const path = require('node:path')
const { compileSamples } = require('../helpers/compile-samples.js')
const { LANGUAGES, root, samples, scripts } = require('../helpers/samples.js')

const tsc = path.join(root, 'node_modules', 'typescript', 'bin', 'tsc')

test('each code block has a tag: JavaScript, a command, JSON, or text', () => {
  const unsaid = samples().filter(({ language }) => !LANGUAGES.includes(language)).map(({ name, language }) => [name, language])
  assert.deepStrictEqual(unsaid, [])
  assert.ok(scripts().length > 50, String(scripts().length))
})

test('no sample both imports and requires, which only a REPL can', () => {
  const mixed = scripts().filter(({ source, file }) => file.endsWith('.mjs') && /\brequire\(/.test(source)).map(({ name }) => name)
  assert.deepStrictEqual(mixed, [])
})

test('JSON samples are JSON', () => {
  for (const { name, source } of samples().filter(({ language }) => language === 'json')) assert.doesNotThrow(() => JSON.parse(source), name)
})

for (const [moduleResolution, module] of [['node16', 'node16'], ['bundler', 'preserve']]) {
  test(`each sample compiles under strict with moduleResolution ${moduleResolution}`, async (t) => {
    assert.deepStrictEqual(await compileSamples(t, tsc, { module, moduleResolution }), [])
  })
}
