'use strict'

// Prepares what the addon needs besides its samples to write a profile in the format of another tool (src/base/profile_format/).

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

module.exports = { nativeProfile }
