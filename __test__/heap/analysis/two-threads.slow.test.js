'use strict'

// A second thread reads bytes and integers ahead of the first. What is found, and where a broken file is broken, must not depend on it.

const test = require('node:test')
const assert = require('node:assert')
const fs = require('node:fs')
const path = require('node:path')
const v8 = require('node:v8')
const { heapSnapshotTable } = require('../../../lib/base/load.js')
const { emptyFolder } = require('../../helpers/folder.js')

const MUTATIONS = 60

test('a snapshot that is changed somewhere is read, or refused at the same byte, with one thread and with two', (t) => {
  const file = path.join(emptyFolder(t), 'changed.heapsnapshot')
  globalThis.kept = Array.from({ length: 4_000 }, (_, i) => ({ i, text: `text ${i}`, map: new Map([[i, {}]]) }))
  v8.writeHeapSnapshot(file)
  const whole = fs.readFileSync(file)
  // Several chunks of 256 KiB, so that integers are read ahead.
  assert.ok(whole.length > 4 * 2 ** 20, String(whole.length))
  const read = (threads) => {
    try {
      return heapSnapshotTable(file, true, false, true, threads)
    } catch ({ message }) {
      return message
    }
  }
  let refused = 0
  for (let n = 0; n <= MUTATIONS; n++) {
    if (n > 0) fs.writeFileSync(file, changed(whole, n))
    const one = read(1)
    const two = read(2)
    if (typeof one === 'string') {
      refused++
      assert.strictEqual(two, one, `change ${n}`)
    } else {
      assert.ok(typeof two !== 'string' && Buffer.from(one.buffer).equals(Buffer.from(two.buffer)), `change ${n}`)
    }
  }
  assert.ok(refused > 10 && refused < MUTATIONS, `${refused} of ${MUTATIONS} were refused`)
})

/** The file with change number `n`: cut, or with a byte or a text in another place. */
function changed (whole, n) {
  const at = Math.floor(random() * whole.length)
  const text = ['99999999999999999', ',', '-', '1.5', ' ', '\n,', '00', '7'][n % 8]
  if (n % 5 === 0) return whole.subarray(0, at)
  if (n % 5 === 1) return Buffer.concat([whole.subarray(0, at), Buffer.from(text), whole.subarray(at)])
  if (n % 5 === 2) return Buffer.concat([whole.subarray(0, at), whole.subarray(at + 1)])
  const copy = Buffer.from(whole)
  copy[at] = n % 5 === 3 ? 48 + n % 10 : Math.floor(random() * 256)
  return copy
}

let seed = 20_261_201

function random () {
  seed = (Math.imul(seed, 1_103_515_245) + 12_345) & 0x7FFFFFFF
  return seed / 0x80000000
}
