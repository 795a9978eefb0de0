'use strict'

// Profiles of one program, one after the other, each with gaps of its own. Arguments: the program, how many. Prints how far each one
// was off, in bytes, beside the error that it stated.

const { setTimeout: sleep } = require('node:timers/promises')
const { bufferProfile } = require('../..')
const { startTracking } = require('../../lib/buffers/profile/tracking.js')
const { trackingSettings } = require('../../lib/buffers/track-buffers.js')
const { settle } = require('../helpers.js')

const MiB = 2 ** 20

/** Buffers of 1 to 200 KB, `bytes` in all, of which every fourth is kept. */
function make (bytes, kept) {
  for (let made = 0, index = 0; made < bytes; index++) {
    const size = 1_000 + index * 7_919 % 199_000
    const buffer = Buffer.allocUnsafe(size)
    if (index % 4 === 0) kept.push(buffer)
    made += size
  }
}

const PROGRAMS = {
  async steady (kept) {
    for (let step = 0; step < 20; step++) {
      make(8 * MiB, kept)
      await sleep(1)
    }
  },
  async bursts (kept) {
    for (let burst = 0; burst < 3; burst++) {
      make(4 * MiB, kept)
      await sleep(20)
      for (let index = 0; index < 1_000; index++) Buffer.allocUnsafeSlow(100_000)
      make(20 * MiB, kept)
    }
  },
  async 'after a burst' (kept) {
    for (let index = 0; index < 4_000; index++) Buffer.alloc(256 * 1024)
    for (let step = 0; step < 10; step++) {
      make(8 * MiB, kept)
      await sleep(1)
    }
  }
}

async function main () {
  const [program, count] = process.argv.slice(2)
  const profiles = []
  for (let index = 0; index < Number(count); index++) {
    const tracking = startTracking(trackingSettings('options', undefined))
    const kept = []
    await PROGRAMS[program](kept)
    await settle()
    const { liveBytes, liveBytesStandardError, sampleIntervalBytes } = bufferProfile()
    tracking.stop()
    const truth = kept.reduce((sum, { length }) => sum + length, 0)
    profiles.push({ off: liveBytes - truth, error: liveBytesStandardError, truth, sampleIntervalBytes })
    kept.length = 0
    await settle()
  }
  process.stdout.write(JSON.stringify(profiles))
}

main()
