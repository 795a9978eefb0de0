'use strict'

// Translates frames to the original sources, when Node runs with source maps enabled.

const { findSourceMap } = require('node:module')

/** The frame in its original source; the frame itself when no source map has it. */
function inSource (frame) {
  // `sourceMapsEnabled` is undefined before Node 20.7.
  if (process.sourceMapsEnabled !== true || frame.line < 1) return frame
  try {
    const entry = findSourceMap(frame.file)?.findEntry(frame.line - 1, frame.column - 1)
    if (typeof entry?.originalSource !== 'string') return frame
    return {
      functionName: frame.functionName,
      file: entry.originalSource,
      line: entry.originalLine + 1,
      column: entry.originalColumn + 1
    }
  } catch {
    // The source map is broken. The frame is still correct.
    return frame
  }
}

module.exports = { inSource }
