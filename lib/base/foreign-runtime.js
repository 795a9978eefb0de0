'use strict'

const RUNTIMES = { bun: 'Bun', deno: 'Deno', electron: 'Electron' }

/**
 * Which other runtime this is, or undefined in Node. The others offer Node-API as well, but run another engine, or build and drive
 * V8 in another way, or lead addons to Node-API in another way.
 * @param {string} what the part of offheap that is known to work only in Node
 * @param {Record<string, string | undefined>} [versions]
 */
function foreignRuntime (what, versions = process.versions) {
  const found = Object.keys(RUNTIMES).find((name) => versions[name] !== undefined)
  if (found !== undefined) return `this is ${RUNTIMES[found]} ${versions[found]}, and ${what} is known to work only in Node`
}

module.exports = { foreignRuntime }
