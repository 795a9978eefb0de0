'use strict'

// Reads the places where sampled things were created.

const binding = require('../base/load.js')
const { fromNative } = require('../base/errors.js')
const { integer, invalidType, options: checkOptions } = require('../base/validate.js')

const DEFAULT_EVERY_NTH = 100
const MAX_SITES = 20

// In the order of their numbers in src/addons/figures.rs.
const KINDS = ['wrap', 'external', 'externalArrayBuffer', 'externalBuffer', 'buffer', 'arrayBuffer', 'finalizer']
const REFERENCE = 255

/** The option `stacks` as a number: one thing in this many is sampled. 0: no samples. */
function everyNth (stacks) {
  if (stacks === undefined || stacks === false) return 0
  if (stacks === true) return DEFAULT_EVERY_NTH
  if (typeof stacks !== 'object' || stacks === null || Array.isArray(stacks)) throw invalidType('options.stacks', 'a boolean or an object', stacks)
  const { everyNth = DEFAULT_EVERY_NTH } = checkOptions('options.stacks', stacks, ['everyNth'])
  return integer('options.stacks.everyNth', everyNth, { min: 1, max: 1_000_000 })
}

/** The places of one environment of this thread, most live things first. */
function sites (id) {
  return fromNative(() => binding.readSites(id, MAX_SITES)).map(({ kind, live, total, files, symbols, offsets }) => ({
    kind: kind === REFERENCE ? 'reference' : KINDS[kind],
    liveCount: live,
    totalCount: total,
    frames: files.map((file, index) => ({ file: file || null, symbol: symbols[index] || null, offset: offsets[index] }))
  }))
}

module.exports = { everyNth, sites }
