'use strict'

const v8 = require('node:v8')
const vm = require('node:vm')

let collect

/** Runs one full garbage collection, synchronously. Needs no `--expose-gc`. */
function collectGarbage () {
  collect ??= typeof globalThis.gc === 'function' ? globalThis.gc : exposedGc()
  collect()
}

// V8 gives gc() to every context that is created while the flag is set. So the flag is set for one context, and then reset. The
// function of that context stays usable. With the flag left on, every later context would have gc() (seen in jest, in the files after the
// first). This flag is safe to change at run time, because V8 reads it only when it creates a context.
function exposedGc () {
  v8.setFlagsFromString('--expose-gc')
  try {
    return vm.runInNewContext('gc')
  } finally {
    v8.setFlagsFromString('--no-expose-gc')
  }
}

module.exports = { collectGarbage }
