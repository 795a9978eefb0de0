'use strict'

// Turns the numbers of one addon into an object. src/addons/figures.rs has their names and their order.

const binding = require('../base/load.js')

// Other platforms lack this function.
const FIGURES = (binding.loadFailure === undefined && binding.addonFigures?.()) || []
const NUMBERS = FIGURES.length

const ZEROS = new Float64Array(NUMBERS)
const NULLS = new Array(NUMBERS).fill(null)

/**
 * The properties of the object, in their order: figures and groups of figures. `references.liveCount` is the figure `liveCount` in the group
 * `references`.
 * @returns {{ name: string, at?: number, shown?: string, group?: { name: string, at: number, shown: string }[] }[]}
 */
function layoutOf (figures) {
  const layout = []
  for (const [at, { name, shown }] of figures.entries()) {
    const [first, second] = name.split('.')
    if (second === undefined) {
      layout.push({ name: first, at, shown })
      continue
    }
    let property = layout.find((known) => known.name === first)
    if (property === undefined) layout.push(property = { name: first, group: [] })
    property.group.push({ name: second, at, shown })
  }
  return layout
}

const LAYOUT = layoutOf(FIGURES)

/**
 * @param {boolean} [releasesCounted] whether releases of Buffers that Node allocates are counted (`watchAddons({ buffers: true })`)
 * @param {ArrayLike<number | null>} [n] all numbers of one addon (default: all 0)
 */
function figures (releasesCounted = false, n = ZEROS) {
  return object(LAYOUT, releasesCounted, n)
}

function object (properties, releasesCounted, n) {
  const made = {}
  for (const property of properties) {
    made[property.name] = property.group === undefined ? value(property, releasesCounted, n) : object(property.group, releasesCounted, n)
  }
  return made
}

function value ({ at, shown }, releasesCounted, n) {
  if (shown === 'number') return n[at]
  if (shown === 'flag') return n[at] === null ? null : n[at] === 1
  // 'on-request'
  return releasesCounted ? n[at] : null
}

/** The same names, all `null`: nothing was counted, which is not 0. */
function noFigures () {
  return figures(false, NULLS)
}

module.exports = { NUMBERS, figures, noFigures }
