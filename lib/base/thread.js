'use strict'

// Which thread this is. The native side learns its number here: it knows only the operating system's.
//
// node:worker_threads takes 2 ms and 1.5 MB to load, and the main thread of most services has not loaded it. A worker has.

const binding = require('./load.js')

// Other platforms lack these functions.
const isNative = binding.loadFailure === undefined
const isMain = isNative && binding.isProcessThread?.() === true
const { isMainThread, threadId } = isMain ? { isMainThread: true, threadId: 0 } : require('node:worker_threads')

if (isNative) binding.noteThread?.(threadId)

module.exports = { isMainThread, threadId }
