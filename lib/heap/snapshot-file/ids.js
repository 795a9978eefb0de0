'use strict'

// V8 numbers objects when it takes a snapshot, and keeps the numbers. A child's numbers die with it: two children number
// the same objects differently, unless this process gave them theirs before.

const v8 = require('node:v8')

let areGiven = false

/** Numbers what lives now, by a snapshot that nobody reads. Stops this thread as any snapshot in the process does. */
function giveIds () {
  v8.getHeapSnapshot().destroy()
  areGiven = true
}

module.exports = {
  areGiven: () => areGiven,
  given () { areGiven = true },
  giveIds
}
