'use strict'

// V8's snapshot as text, piece by piece and without the event loop. Read in the usual way, the stream would keep the whole
// text in memory: V8 cannot be held back, and pushes everything at once from within _read(). So the pieces are taken as
// they are pushed.

/**
 * @param {import('node:stream').Readable} stream from v8.getHeapSnapshot()
 * @param {(piece: Buffer) => void} take called with each piece, until it throws
 * @returns {boolean} whether V8 came to the end
 */
function takeText (stream, take) {
  let isComplete = false
  let failure
  // Called from native code: nothing may be thrown.
  stream.push = (piece) => {
    if (piece === null) {
      isComplete = true
    } else if (failure === undefined) {
      try {
        take(piece)
      } catch (error) {
        failure = { error }
      }
    }
    return true
  }
  // At the end Node asks for more, which would begin again with a snapshot that V8 has freed.
  const { _read } = stream
  stream._read = () => {}
  _read.call(stream)
  if (failure !== undefined) throw failure.error
  return isComplete
}

module.exports = { takeText }
