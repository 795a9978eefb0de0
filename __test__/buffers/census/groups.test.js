'use strict'

const test = require('node:test')
const assert = require('node:assert')
const path = require('node:path')
const { support } = require('../../..')
const { runChildForJson } = require('../../helpers/child.js')

const fixture = path.join(__dirname, 'fixtures', 'groups.js')
const modes = support().probe.available ? ['probe', 'in-process'] : ['in-process']

const plain = (className, count, bytes, more) => ({ kind: 'plain', className, label: null, route: null, count, viewCount: count, bytes, viewBytes: bytes, ...more })
const kept = [
  ['Buffer', 1_000, 20_499_500, {}, 'global.photos (Map) entry (Buffer) → backing store'],
  ['Uint8Array', 40, 3_600_040, {}, 'global.samples[…] (Uint8Array) → backing store'],
  ['Buffer', 30, 2_100_030, { viewBytes: 300 }, 'global.parts[…] (Buffer) → backing store'],
  ['Buffer', 20, 1_200_020, { label: 'images' }, 'global.images[…] (Buffer) → backing store'],
  ['Buffer', 10, 600_010, { label: 'images', route: 'GET /images' }, 'global.images[…] (Buffer) → backing store'],
  ['Uint8Array', 900, 14_400, { label: 'keys' }, 'global.keys[…] (Uint8Array) → backing store']
]

for (const mode of modes) {
  test(`stores of one class, label and route are one group, and with retainers those of one path (${mode})`, async () => {
    const said = await runChildForJson(fixture, { args: [mode] })
    // Every store is in one group: here all groups are listed.
    for (const { all, stores } of Object.values(said)) assert.deepStrictEqual(all, stores)
    assert.strictEqual(said.plain.rows, 200)
    // Without paths, what differs by its holder alone is one group; Node itself has Buffers of a few bytes.
    const [first, ...others] = said.plain.large
    assert.ok(first.count >= 1_030 && first.count < 1_060 && first.bytes >= 22_599_530, JSON.stringify(first))
    assert.ok(!('path' in first))
    assert.deepStrictEqual(others.filter(({ label }) => label !== null), kept.slice(3).map(([className, count, bytes, more]) => plain(className, count, bytes, more)))
    assert.deepStrictEqual(said.held.large, kept.map(([className, count, bytes, more, path]) => plain(className, count, bytes, { ...more, path })))
    const slices = plain('Buffer', 30, 2_100_030, { viewBytes: 300, wasteBytes: 2_099_730, path: kept[2][4] })
    assert.deepStrictEqual(said.held.slices, [slices])
  })
}
