'use strict'

const v8 = require('node:v8')
const vm = require('node:vm')

let collect

/** One full garbage collection, done when it returns. Needs no `--expose-gc`. */
function collectGarbage () {
  collect ??= typeof globalThis.gc === 'function' ? globalThis.gc : exposedGc()
  collect()
}

// V8 gives gc() to every context that is made while the flag is set. It is set for one context, whose function stays
// usable, and put back: left on, every context made later would have gc() (seen in jest, in the files after the first).
// Of V8's flags this one is safe to change at run time: it is read when a context is made, and nowhere else.
function exposedGc () {
  v8.setFlagsFromString('--expose-gc')
  try {
    return vm.runInNewContext('gc')
  } finally {
    v8.setFlagsFromString('--no-expose-gc')
  }
}

module.exports = { collectGarbage }
