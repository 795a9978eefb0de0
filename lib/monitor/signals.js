'use strict'

const os = require('node:os')
const { isMainThread } = require('../base/thread.js')
const { OffheapError } = require('../base/errors.js')
const { invalidType, invalidValue } = require('../base/validate.js')

const REFUSED = {
  SIGUSR1: 'SIGUSR1 starts the Node inspector',
  SIGKILL: 'nothing can listen to SIGKILL',
  SIGSTOP: 'nothing can listen to SIGSTOP',
  // By default these end the process. With a listener they no longer do.
  SIGTERM: 'a listener keeps SIGTERM from ending the process',
  SIGINT: 'a listener keeps SIGINT from ending the process',
  SIGBREAK: 'a listener keeps SIGBREAK from ending the process',
  SIGPROF: 'V8\'s CPU profiler uses SIGPROF',
  SIGCHLD: 'Node uses SIGCHLD for its child processes',
  SIGPIPE: 'Node ignores SIGPIPE, and code relies on that'
}
// A faulty instruction raises these. After the listener, the processor runs the instruction again, without end.
for (const name of ['SIGSEGV', 'SIGBUS', 'SIGFPE', 'SIGILL', 'SIGABRT', 'SIGIOT', 'SIGTRAP', 'SIGSYS']) {
  REFUSED[name] = `${name} is how a crash ends the process`
}

/** Checks that a Monitor may listen to a signal. */
function checkSignal (name, value) {
  if (typeof value !== 'string') throw invalidType(name, 'the name of a signal such as "SIGUSR2"', value)
  if (Object.hasOwn(REFUSED, value)) throw invalidValue(name, `another signal, such as "SIGUSR2" (${REFUSED[value]})`, value)
  if (!Object.hasOwn(os.constants.signals, value)) throw invalidValue(name, 'the name of a signal of this platform, such as "SIGUSR2"', value)
  if (!isMainThread) {
    throw new OffheapError('ERR_OFFHEAP_UNSUPPORTED_PLATFORM',
      `*${name}* (${value}) has no effect in a worker thread, because signals reach the main thread only; start a Monitor with a signal in the main thread`)
  }
  return value
}

module.exports = { checkSignal }
