'use strict'

// One process, many module registries: a watch is the process's, whoever began it.

const path = require('node:path')

// jest's own `process` and registries do not matter to it: the addon is compiled and loaded as anywhere.
const { fixtureAddon } = require('../../helpers/fixture-addon.js')

function loadTwice () {
  let first
  let second
  jest.isolateModules(() => { first = require('offheap') })
  jest.isolateModules(() => { second = require('offheap') })
  return [first, second]
}

test('two registries use one watch, which ends with the last', () => {
  const { file, skip } = fixtureAddon('external-memory')
  const [first, second] = loadTwice()
  if (skip !== undefined || !first.support().watchAddons.available) return

  const one = first.watchAddons()
  const two = second.watchAddons()
  const addon = require(file)
  const row = (offheap) => offheap.addons().rows.find((row) => path.basename(row.file) === path.basename(file) && row.id !== null)
  addon.reference(19)
  const before = first.addons()

  expect(row(second).references).toEqual({ liveCount: 19, strongCount: 19, weakCount: 0, outlivedCount: 0, totalCount: 19, deletedCount: 0, countSum: 19, highestCount: 1 })
  expect(second.addons().rows).toEqual(before.rows)
  one.stop()
  addon.reference(4)
  expect(second.addons({ since: before }).rows.find((row) => row.id !== null && path.basename(row.file) === path.basename(file)).growth).toMatchObject({ references: 4 })
  two.stop()
  expect(row(first)).toBeUndefined()
  addon.release()
})

test('wrong arguments are this realm\'s errors', () => {
  const { addons, watchAddons } = require('offheap')

  expect(() => watchAddons(5)).toThrow(TypeError)
  expect(() => watchAddons({ stacks: { everyNth: 0 } })).toThrow(RangeError)
  expect(() => addons({ since: 5 })).toThrow(TypeError)
})
