'use strict'

const test = require('node:test')
const assert = require('node:assert')
const fs = require('node:fs')
const path = require('node:path')
const { root, runChildForJson } = require('../../helpers/child.js')

/** The code below a heading of the README. */
function code (heading) {
  const [, text] = fs.readFileSync(path.join(root, 'README.md'), 'utf8').split(`\n## ${heading}\n`)
  return /```js\n([^]*?)```/.exec(text)[1]
}

/** The README's test with another `render`. What it says of the test, as JSON. */
function run (render) {
  const source = code('In a test')
    .replace(/const render = .*\n/, `const render = ${render}\n`)
    .replace("require('node:test')", '(title, fn) => tests.push(fn)')
    .replace("'offheap'", JSON.stringify(root))
    .replace("'offheap/testing'", JSON.stringify(path.join(root, 'lib', 'faces', 'testing')))
  return runChildForJson(`
    const kept = []
    const tests = []
    ${source}
    Promise.all(tests.map((fn) => fn())).then(
      (all) => process.stdout.write(JSON.stringify({ passed: all.length })),
      ({ code, message }) => process.stdout.write(JSON.stringify({ code, message })))`)
}

test('the leak test of the README passes for a service that keeps nothing', async () => {
  assert.deepStrictEqual(await run('async (id) => Buffer.alloc(10_007, id)'), { passed: 1 })
})

test('the leak test of the README fails for a service that keeps its reports, and names their label', async () => {
  const { code, message } = await run('async (id) => { const page = Buffer.alloc(10_007, id); kept.push(page); return page }')
  assert.strictEqual(code, 'ERR_OFFHEAP_EXTERNAL_GROWTH')
  assert.match(message, /^ {2}label "reports": \+10007 bytes, 1 value per iteration/m)
})
