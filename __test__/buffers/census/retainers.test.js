'use strict'

const test = require('node:test')
const assert = require('node:assert')
const path = require('node:path')
const { support } = require('../../..')
const { runChildForJson } = require('../../helpers/child.js')

const fixture = path.join(__dirname, 'fixtures', 'retainers.js')
const modes = support().probe.available ? ['probe', 'in-process'] : ['in-process']

for (const mode of modes) {
  test(`retainers: true says by what path each offender is held, and nothing of offheap is on it (${mode})`, async () => {
    const { withoutAsking, slabs, slices, large, streams, streamGroups, slabGroups } = await runChildForJson(fixture, { args: [mode], timeoutMs: 120_000 })
    assert.deepStrictEqual(withoutAsking, [false, false, false])
    const token = 'global.cache (Map) entry (Session).token (Buffer) → backing store'
    assert.strictEqual(slabs.length, 7)
    for (const { path, retainers } of slabs) assert.deepStrictEqual([path, retainers], [token, [{ path: token, count: 1 }]])
    const [{ count, sliceCount, sliceBytes, path: grouped }, ...others] = slabGroups
    assert.deepStrictEqual([count, sliceCount, sliceBytes, grouped, others], [7, 7, 7 * 97, token, []])
    assert.deepStrictEqual(slices.map(({ bytes, path }) => [bytes, path]), [
      [5_000_011, 'global.header (Buffer) → backing store'],
      [4_000_037, 'global.read (function retainers.js:27) → variable thumbnail (Buffer) → backing store']
    ])
    assert.deepStrictEqual(large.map(({ bytes, path }) => [bytes, path]), [
      [6_000_023, 'global.image (ArrayBuffer) → backing store'],
      [5_000_011, 'global.header (Buffer) → backing store'],
      [4_000_037, 'global.read (function retainers.js:27) → variable thumbnail (Buffer) → backing store']
    ])
    const sums = { waitingObjectCount: 0 }
    assert.deepStrictEqual(streams[0], [50_007, 'global.last (Feed)'])
    assert.match(streams[1][1], /^global\.feeds \(Map\) entry(\["user 11"\])? \(Feed\)$/)
    assert.deepStrictEqual(streamGroups, [
      { className: 'Feed', path: 'global.last (Feed)', count: 1, waitingBytes: 50_007, ...sums },
      { className: 'Feed', path: 'global.feeds (Map) entry (Feed)', count: 12, waitingBytes: 12_066, ...sums }
    ])
  })
}
