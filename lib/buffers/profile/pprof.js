'use strict'

// The profile as a gzip'd pprof protobuf; src/buffers/profile/pprof.rs writes it.

const binding = require('../../base/load.js')
const { fromNative } = require('../../base/errors.js')
const { readSampling } = require('./reading.js')

function pprof () {
  const { startedAt, sampleIntervalBytes, stacks } = readSampling()
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
