'use strict'

const test = require('node:test')
const assert = require('node:assert')
const express = require('express')
const { watchAddons } = require('../../..')
const offheap = require('../../../lib/faces/express.js')
const { fixtureAddon } = require('../../helpers/fixture-addon.js')
const { serve } = require('../../helpers/express.js')

const { file, skip } = fixtureAddon('everything')

test('while addons are watched the reading has what each holds, and no path of the machine', { skip }, async (t) => {
  const watch = watchAddons()
  t.after(() => watch.stop())
  const addon = require(file)
  const first = addon.references(37, 1)
  const kept = addon.externalBuffer(10_007)
  const app = express()
  app.use(offheap({ path: '/debug/memory' }))
  const { ask } = await serve(t, app)

  const { json, text } = await ask('/debug/memory')

  const name = file.split('/').at(-1)
  const { references, externalBuffers, coverage, threadId } = json().addons.find((row) => row.name === name)
  assert.deepStrictEqual([references.liveCount, references.strongCount, externalBuffers.liveBytes, coverage, threadId], [37, 37, 10_007, 'full', 0])
  assert.ok(!text.includes('.cache') && !text.includes('/everything'), text)
  watch.stop()
  assert.strictEqual((await ask('/debug/memory')).json().addons, null)
  addon.deleteReference(first)
  assert.strictEqual(kept.length, 10_007)
})
