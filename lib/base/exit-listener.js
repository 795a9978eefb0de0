'use strict'

// Synchronous work at the exit of the process, because process.exit() does not wait for promises.

/**
 * Calls `listener` when the process exits. Does nothing when the process object is frozen, because then no listener can be added. A
 * temporary file that stays is no reason to fail.
 * @param {() => void} listener
 * @returns {() => void} removes the listener
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
