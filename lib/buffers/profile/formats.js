'use strict'

// The profile in the formats of other tools. src/base/profile_format/ writes them; this file prepares what it needs besides the samples.

const binding = require('../../base/load.js')
const { fromNative } = require('../../base/errors.js')
const { readSampling } = require('./read-profile.js')

/**
 * Frames by number, as columns, and the frames of each call site. Empty when trackBuffers() was never called, so that a tool that scrapes the
 * profile continues. `bufferProfile().active` then says why it is empty.
 */
function nativeProfile () {
  const { startedAt, sampleIntervalBytes, stacks } = readSampling() ?? { startedAt: Date.now(), sampleIntervalBytes: 0, stacks: [] }
  const frames = [...new Set(stacks.flat())]
  const numbers = new Map(frames.map((frame, index) => [frame, index]))
  return {
    names: frames.map(({ functionName }) => functionName || '(anonymous)'),
    files: frames.map(({ file }) => file),
    lines: frames.map(({ line }) => line),
    columns: frames.map(({ column }) => column),
    stacks: stacks.map((stack) => stack.map((frame) => numbers.get(frame))),
    startedAtMs: startedAt,
    durationMs: Math.max(0, Date.now() - startedAt),
    intervalBytes: sampleIntervalBytes
  }
}

/** Writes the profile as a gzip'd pprof protobuf. */
function pprof () {
  const profile = nativeProfile()
  return fromNative(() => binding.writePprof(profile))
}

/** Writes the profile as folded stacks: one line per call site, with its frames from the outermost to the innermost, and its live bytes. */
function folded () {
  const profile = nativeProfile()
  return fromNative(() => binding.writeFolded(profile))
}

module.exports = { folded, pprof }
