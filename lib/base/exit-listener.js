'use strict'

// What is to be done when the process exits: process.exit() waits for nobody.

/**
 * Calls `listener` when the process exits, until the function that this returns is called. Nobody can listen on a frozen
 * process object: then it does nothing, since what depends on it (a file that is removed) is no reason to fail.
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
