'use strict'

// Processes that are nobody's child here: dead is dead, reaped or not.

const assert = require('node:assert')
const fs = require('node:fs')

function isAlive (pid) {
  try {
    // A zombie that its new parent has not reaped yet is dead.
    return !fs.readFileSync(`/proc/${pid}/stat`, 'utf8').includes(') Z ')
  } catch {
    return false
  }
}

async function untilDead (pid) {
  for (let round = 0; round < 2000; round++) {
    if (!isAlive(pid)) return
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
  assert.fail(`process ${pid} never ended`)
}

module.exports = { isAlive, untilDead }
