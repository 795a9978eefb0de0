'use strict'

const test = require('node:test')
const assert = require('node:assert')
const path = require('node:path')
const { support } = require('../../..')
const { runChildForJson } = require('../../helpers/child.js')

const fixture = path.join(__dirname, 'fixtures', 'streams.js')
const modes = support().probe.available ? ['probe', 'in-process'] : ['in-process']

for (const mode of modes) {
  test(`bytes that wait in streams are counted, largest first, objects apart (${mode})`, async () => {
    const { top, groups, outputSize, ...sums } = await runChildForJson(fixture, { args: [mode] })
    assert.deepStrictEqual(sums, {
      count: 6,
      readableBytes: 20_021 + 10_009,
      writableBytes: 60_023 + outputSize,
      waitingObjectCount: 5,
      overHighWaterMarkCount: 3,
      waitingBytes: 20_021 + 10_009 + 60_023 + outputSize
    })
    // The response has its header beside the 40,001 bytes of its body.
    assert.ok(outputSize > 40_001 && outputSize < 41_000, String(outputSize))
    assert.deepStrictEqual(top.map(({ className, waitingBytes }) => [className, waitingBytes]), [
      ['SlowUpload', 60_023], ['ServerResponse', outputSize], ['Feed', 20_021], ['PassThrough', 10_009], ['Feed', 0]
    ])
    const reading = { readableLength: null, readableHighWaterMark: null, readableObjectMode: null }
    const writing = { writableLength: null, writableHighWaterMark: null, writableObjectMode: null }
    assert.deepStrictEqual(top[0], { className: 'SlowUpload', waitingBytes: 60_023, ...reading, writableLength: 60_023, writableHighWaterMark: 1_000, writableObjectMode: false })
    assert.deepStrictEqual(groups, [
      { className: 'SlowUpload', count: 1, waitingBytes: 60_023, waitingObjectCount: 0 },
      { className: 'ServerResponse', count: 1, waitingBytes: outputSize, waitingObjectCount: 0 },
      { className: 'Feed', count: 2, waitingBytes: 20_021, waitingObjectCount: 5 },
      { className: 'PassThrough', count: 1, waitingBytes: 10_009, waitingObjectCount: 0 }
    ])
    assert.deepStrictEqual(top[4], { className: 'Feed', waitingBytes: 0, readableLength: 5, readableHighWaterMark: 3, readableObjectMode: true, ...writing })
  })
}
