'use strict'

// V8 numbers objects when it takes a snapshot, and keeps the numbers. The numbers of a child are lost when the child ends. So two children
// number the same objects differently, unless a snapshot in this process has numbered them before.

const v8 = require('node:v8')

let areGiven = false

/** Numbers all live objects with a snapshot, and discards the snapshot. Pauses this thread as any snapshot in the process does. */
function giveIds () {
  v8.getHeapSnapshot().destroy()
  areGiven = true
}

module.exports = {
  areGiven: () => areGiven,
  given () { areGiven = true },
  giveIds
}
