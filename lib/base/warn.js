'use strict'

/**
 * Emits a process warning. Never throws: Node's own `emitWarning` does where the program has frozen `Error.prototype`, and an exception from a timer of
 * ours would end the service.
 * @param {string} message
 * @param {{ code?: string, detail?: string }} [options]
 */
function warn (message, { code, detail } = {}) {
  try {
    process.emitWarning(message, { type: 'OffheapWarning', code, detail })
  } catch {
    // There is no other way to tell the program.
  }
}

module.exports = { warn }
