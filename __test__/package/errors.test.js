'use strict'

const test = require('node:test')
const assert = require('node:assert')
const fs = require('node:fs')
const path = require('node:path')

const root = path.join(__dirname, '..', '..')
const binding = require('../../lib/base/load.js')

/** A test's code without its comments and without the names of its tests: what is only spoken of is not provoked. */
function codeOf (source) {
  return source
    .replace(/\/\*[^]*?\*\//g, '')
    .replace(/(^|\s)\/\/.*$/gm, '$1')
    .replace(/\btest\((['"`])(?:\\.|(?!\1)[^\\])*\1/g, 'test(')
}

function codesIn (text) {
  return [...new Set(text.match(/ERR_OFFHEAP_[A-Z_]*[A-Z]/g))].sort()
}

test('docs/errors.md explains exactly the codes that error.rs lists, in the same order', () => {
  const table = fs.readFileSync(path.join(root, 'docs', 'errors.md'), 'utf8')
  const documented = [...table.matchAll(/^\| `(ERR_OFFHEAP_\w+)` \|/gm)].map((row) => row[1])

  assert.deepStrictEqual(documented, binding.errorCodes())
})

test('lib/ uses no code that error.rs does not list', () => {
  const sources = fs.readdirSync(path.join(root, 'lib'), { recursive: true })
    .filter((name) => name.endsWith('.js'))
    .map((name) => fs.readFileSync(path.join(root, 'lib', name), 'utf8'))
  const known = new Set(binding.errorCodes())

  assert.deepStrictEqual(codesIn(sources.join('\n')).filter((code) => !known.has(code)), [])
})

test('a code in a comment or in the name of a test is not provoked', () => {
  const source = "// ERR_OFFHEAP_A\ntest('of ERR_OFFHEAP_B', () => { /* ERR_OFFHEAP_C */ fails('ERR_OFFHEAP_D') }) // ERR_OFFHEAP_E\nget('http://a') // ERR_OFFHEAP_F"

  assert.deepStrictEqual(codesIn(codeOf(source)), ['ERR_OFFHEAP_D'])
})

test('every code is provoked by a test', () => {
  const tests = fs.readdirSync(path.join(root, '__test__'), { recursive: true })
    .filter((name) => name.endsWith('.test.js') && !name.includes('node_modules') && name !== path.join('package', 'errors.test.js'))
    .map((name) => codeOf(fs.readFileSync(path.join(root, '__test__', name), 'utf8')))
  const provoked = new Set(codesIn(tests.join('\n')))
  // Out of reach from outside: there is no known way to make offheap panic.
  const outOfReach = ['ERR_OFFHEAP_INTERNAL']

  assert.deepStrictEqual(binding.errorCodes().filter((code) => !provoked.has(code) && !outOfReach.includes(code)), [])
})
