'use strict'

// How far apart samples are depends on the time that they take: nothing else runs beside this.

const test = require('node:test')
const assert = require('node:assert')
const { root, runChildForJson } = require('../../helpers/child.js')

test('after a gigabyte of garbage at the start, live bytes are estimated within the standard error', async () => {
  // 4,000 of 256 KiB in a third of a second, then 20 MB that stay, with the options that everybody has.
  const { live, error, interval, truth } = await runChildForJson(`
    const { bufferProfile, trackBuffers } = require(${JSON.stringify(root)})
    trackBuffers()
    for (let i = 0; i < 4_000; i++) Buffer.alloc(256 * 1024)
    const kept = []
    for (let i = 0; i < 2_000; i++) kept.push(Buffer.allocUnsafeSlow(10_007))
    global.gc()
    setTimeout(() => {
      global.gc()
      setTimeout(() => {
        const { liveBytes: live, liveBytesStandardError: error, sampleIntervalBytes: interval } = bufferProfile()
        console.log(JSON.stringify({ live, error, interval, truth: kept.length * 10_007 }))
      }, 50)
    }, 50)
  `, { execArgv: ['--expose-gc'] })

  assert.ok(error > 1_000_000 && error < truth / 2, `± ${error} of ${truth}`)
  assert.ok(Math.abs(live - truth) < 4 * error, `${live} ± ${error} instead of ${truth}`)
  assert.ok(interval <= 4 * 2 ** 20, `${interval} bytes from sample to sample`)
})
