'use strict'

// offheap/register: for `node -r offheap/register` or `node --import offheap/register`, in NODE_OPTIONS or on the command line. Node
// preloads it in every thread; once in a process is enough for what is the process's. Whatever fails in here, the service starts
// as if it were not there.

const { isMainThread } = require('node:worker_threads')

const ON = new Map([['1', true], ['true', true], ['0', false], ['false', false]])

/** What is begun, by the variable that can turn it off. */
const PARTS = {
  // Every addon's Node-API calls, from the first one on.
  OFFHEAP_ADDONS: watchEveryAddon
}

for (const [variable, begin] of Object.entries(PARTS)) {
  try {
    if (isOn(variable)) begin()
  } catch (error) {
    warn(`${error.message}; to leave this out, set ${variable}=0`, error.code)
  }
}

function isOn (variable) {
  const value = process.env[variable]
  if (value === undefined || value === '') return true
  const on = ON.get(value)
  if (on === undefined) warn(`Expected *${variable}* to be one of "1", "0", "true", "false", received ${JSON.stringify(value)}; taken as "1"`, 'ERR_INVALID_ARG_VALUE')
  return on ?? true
}

function watchEveryAddon () {
  const { isWatching, watchAddons } = require('./addons.js')
  // For all threads, and for good: the thread that began it may end.
  if (!isWatching()) watchAddons()
}

/** Every worker would say it again. */
function warn (message, code) {
  if (isMainThread) process.emitWarning(`offheap/register: ${message}`, { type: 'OffheapWarning', code })
}
