'use strict'

// Work that must be done when the process exits: process.exit() does not wait for promises.

/**
 * Calls `listener` when the process exits, until the returned function is called. Where the process object is frozen,
 * no listener can be added, and this does nothing: a temporary file that stays is no reason to fail.
 * @param {() => void} listener
 * @returns {() => void}
 */
function onExit (listener) {
  call('on', listener)
  return () => call('off', listener)
}

function call (method, listener) {
  try {
    process[method]('exit', listener)
  } catch {}
}

module.exports = { onExit }
