'use strict'

const { isSharedArrayBuffer } = require('node:util').types
const binding = require('../../base/load.js')

/** How many objects one call gets. Each of them needs a handle until the call returns. */
const BATCH = 4096

/**
 * The addresses of ArrayBuffers. Two SharedArrayBuffers may have the same address, for example after one was sent to another thread and
 * back.
 * @param {(ArrayBuffer | SharedArrayBuffer)[]} buffers
 * @param {number[]} lengths
 * @returns {Float64Array} 0 for ArrayBuffers without bytes
 */
function addressesOf (buffers, lengths) {
  const addresses = new Float64Array(buffers.length)
  const plain = []
  const shared = []
  const flush = (batch, ask) => {
    if (batch.length === 0) return
    const answers = ask(batch.map((number) => buffers[number]))
    batch.forEach((number, index) => { addresses[number] = answers[index] })
    batch.length = 0
  }
  const flushPlain = () => flush(plain, binding.arrayBufferAddresses)
  // Node-API reads the address of an ArrayBuffer and not of a SharedArrayBuffer. It reads the address of a view of either.
  const flushShared = () => flush(shared, (list) => binding.viewAddresses(list.map((buffer) => new Uint8Array(buffer))))
  for (let number = 0; number < buffers.length; number++) {
    if (lengths[number] === 0) continue
    if (isSharedArrayBuffer(buffers[number])) {
      if (shared.push(number) === BATCH) flushShared()
    } else if (plain.push(number) === BATCH) flushPlain()
  }
  flushPlain()
  flushShared()
  return addresses
}

module.exports = { addressesOf }
