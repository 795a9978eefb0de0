'use strict'

// Processes that are nobody's child here: dead is dead, reaped or not.

const fs = require('node:fs')
const { until } = require('../../helpers/until.js')

function isAlive (pid) {
  try {
    // A zombie that its new parent has not reaped yet is dead.
    return !fs.readFileSync(`/proc/${pid}/stat`, 'utf8').includes(') Z ')
  } catch {
    return false
  }
}

function untilDead (pid) {
  return until(`the end of process ${pid}`, () => !isAlive(pid))
}

module.exports = { isAlive, untilDead }
