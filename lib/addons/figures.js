'use strict'

// From the numbers of one addon to an object. src/addons/figures.rs has their names and their order.

const binding = require('../base/load.js')

// Not there on other platforms.
const FIGURES = (binding.loadFailure === undefined && binding.addonFigures?.()) || []
const NUMBERS = FIGURES.length

const ZEROS = new Float64Array(NUMBERS)
const NULLS = new Array(NUMBERS).fill(null)

/**
 * The properties of the object, in their order: figures, and groups of figures. `references.liveCount` is the figure `liveCount` of the group
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
 * @param {boolean} [endSeen] whether the end of Buffers that Node allocates was looked for
 * @param {ArrayLike<number | null>} [n] all numbers of one addon; all 0 without
 */
function figures (endSeen = false, n = ZEROS) {
  return object(LAYOUT, endSeen, n)
}

function object (properties, endSeen, n) {
  const made = {}
  for (const property of properties) {
    made[property.name] = property.group === undefined ? value(property, endSeen, n) : object(property.group, endSeen, n)
  }
  return made
}

function value ({ at, shown }, endSeen, n) {
  if (shown === 'number') return n[at]
  if (shown === 'flag') return n[at] === null ? null : n[at] === 1
  // 'on-request'
  return endSeen ? n[at] : null
}

/** The same names without a figure: nothing was counted, which is not 0. */
function noFigures () {
  return figures(false, NULLS)
}

module.exports = { NUMBERS, figures, noFigures }
