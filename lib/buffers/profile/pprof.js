'use strict'

// The profile as a gzip'd pprof protobuf; src/buffers/profile/pprof.rs writes it.

const binding = require('../../base/load.js')
const { fromNative } = require('../../base/errors.js')
const { readSampling } = require('./reading.js')

function pprof () {
  // A profile without a sample where nobody has sampled: who scrapes it goes on, and `bufferProfile().active` says why it is empty.
  const { startedAt, sampleIntervalBytes, stacks } = readSampling() ?? { startedAt: Date.now(), sampleIntervalBytes: 0, stacks: [] }
  const frames = [...new Set(stacks.flat())]
  const numbers = new Map(frames.map((frame, index) => [frame, index]))
  return fromNative(() => binding.writePprof({
    names: frames.map(({ functionName }) => functionName || '(anonymous)'),
    files: frames.map(({ file }) => file),
    lines: frames.map(({ line }) => line),
    columns: frames.map(({ column }) => column),
    stacks: stacks.map((stack) => stack.map((frame) => numbers.get(frame))),
    startedAtMs: startedAt,
    durationMs: Math.max(0, Date.now() - startedAt),
    intervalBytes: sampleIntervalBytes
  }))
}

module.exports = { pprof }
