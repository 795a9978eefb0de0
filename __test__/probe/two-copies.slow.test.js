'use strict'

const test = require('node:test')
const assert = require('node:assert')
const fs = require('node:fs')
const path = require('node:path')
const { runChildForJson } = require('../helpers/child.js')
const { emptyFolder } = require('../helpers/folder.js')
const { support } = require('../..')

const { available, reason } = support().probe
const root = path.join(__dirname, '..', '..')

test('two copies of the package in two threads have one probe at a time between them', { skip: available ? false : `no probe here: ${reason}` }, async (t) => {
  const copy = emptyFolder(t)
  for (const name of ['index.js', 'package.json', 'lib', 'prebuilds', 'src']) fs.cpSync(path.join(root, name), path.join(copy, name), { recursive: true })

  const { during, first, after } = await runChildForJson(path.join(__dirname, 'fixtures', 'two-copies.js'), { args: [copy] })

  assert.deepStrictEqual([during, first, after], ['ERR_OFFHEAP_PROBE_IN_PROGRESS', 'first', 'second'])
})
