'use strict'

const { OffheapError } = require('../../base/errors.js')
const { func, integer, options: checkOptions, string } = require('../../base/validate.js')
const { collectGarbage } = require('../../base/collect-garbage.js')
const { now, rest, turn } = require('./turns.js')

const MAX_ROUNDS = 50

async function gcUntil (condition, options) {
  func('condition', condition)
  const { name = condition.name || 'the condition', maxRounds = MAX_ROUNDS, timeoutMs } =
    checkOptions('options', options, ['name', 'maxRounds', 'timeoutMs'])
  string('options.name', name)
  integer('options.maxRounds', maxRounds, { min: 1 })
  if (timeoutMs !== undefined) integer('options.timeoutMs', timeoutMs, { min: 1 })

  const started = now()
  for (let round = 1; round <= maxRounds; round++) {
    // Values that this event-loop tick holds (handles, WeakRefs that it has read) become garbage when the tick ends.
    await turn()
    collectGarbage()
    await rest()
    if (await condition()) return
    if (timeoutMs !== undefined && now() - started >= timeoutMs) {
      throw timeout(name, round, `*timeoutMs* of ${timeoutMs} has passed; give it more, or find what still holds the value`)
    }
  }
  throw timeout(name, maxRounds, 'find what still holds the value, or raise *maxRounds*')
}

function timeout (name, rounds, remedy) {
  return new OffheapError('ERR_OFFHEAP_GC_TIMEOUT',
    `"${name}" is not true after ${rounds} full garbage collection${rounds === 1 ? '' : 's'}; ${remedy}`)
}

module.exports = { gcUntil }
