'use strict'

const RUNTIMES = { bun: 'Bun', deno: 'Deno', electron: 'Electron' }

/**
 * Says which other runtime this is; undefined in Node. Other runtimes have Node-API too. But they run another engine, build or drive V8 in
 * another way, or connect addons to Node-API in another way.
 * @param {string} what the part of offheap that works only in Node
 * @param {Record<string, string | undefined>} [versions]
 */
function foreignRuntime (what, versions = process.versions) {
  const found = Object.keys(RUNTIMES).find((name) => versions[name] !== undefined)
  if (found !== undefined) return `this is ${RUNTIMES[found]} ${versions[found]}, and ${what} is known to work only in Node`
}

module.exports = { foreignRuntime }
