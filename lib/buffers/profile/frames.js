'use strict'

// Where code is in its sources: source maps, when Node was told to use them.

const { findSourceMap } = require('node:module')

/** The same frame in the source that it was made from; the frame itself where no source map says so. */
function inSource (frame) {
  // undefined before Node 20.7
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
    // A broken map; the frame is right as it stands.
    return frame
  }
}

module.exports = { inSource }
