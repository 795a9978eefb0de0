'use strict'

// Every example that is one file ends by itself, and well. Those that are a folder have tests of their own.

const test = require('node:test')
const assert = require('node:assert')
const fs = require('node:fs')
const path = require('node:path')
const { emptyFolder } = require('../../helpers/folder.js')
const { runChild } = require('../../helpers/child.js')

const examples = path.join(__dirname, '..', '..', '..', 'examples')
const files = fs.readdirSync(examples, { withFileTypes: true }).filter((entry) => entry.isFile() && /\.[cm]?js$/.test(entry.name)).map(({ name }) => name)

test('there are examples', () => {
  assert.ok(files.includes('monitor.js'))
})

for (const name of files) {
  test(`examples/${name} ends with code 0`, async (t) => {
    const folder = emptyFolder(t)
    const { code, stdout, stderr } = await runChild(path.join(examples, name), { cwd: folder, env: { TMPDIR: folder }, timeoutMs: 240_000 })
    assert.strictEqual(code, 0, stderr)
    assert.notStrictEqual(stdout, '')
  })
}
