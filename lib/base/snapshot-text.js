'use strict'

// Reads the text of V8's snapshot piece by piece, without the event loop. Read in the usual way, the stream would keep the whole text in
// memory, because V8 ignores back-pressure and pushes all of it inside one _read(). So each piece is taken when V8 pushes it.

/**
 * @param {import('node:stream').Readable} stream from v8.getHeapSnapshot()
 * @param {(piece: Buffer) => void} take called with each piece, until it throws
 * @returns {boolean} whether V8 reached the end of the text
 */
function takeText (stream, take) {
  let isComplete = false
  let failure
  // Native code calls this, so it must not throw.
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
  // At the end Node calls _read() again. That would begin again, with a snapshot that V8 has freed.
  const { _read } = stream
  stream._read = () => {}
  _read.call(stream)
  if (failure !== undefined) throw failure.error
  return isComplete
}

module.exports = { takeText }
