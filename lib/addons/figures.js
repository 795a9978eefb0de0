'use strict'

// From the numbers of one addon to an object. src/addons/figures.rs has their names and their order.

const binding = require('../base/load.js')

// Not there on other platforms.
const FIGURES = (binding.loadFailure === undefined && binding.addonFigures?.()) || []
const NUMBERS = FIGURES.length

const ZEROS = new Float64Array(NUMBERS)
const NULLS = new Array(NUMBERS).fill(null)

/** What the object of figures is made of: its own figures by name, and its objects by name with theirs. */
function layoutOf (figures) {
  const layout = new Map()
  for (const [at, { name, shown }] of figures.entries()) {
    const [first, second] = name.split('.')
    const leaf = { at, shown }
    if (second === undefined) layout.set(first, leaf)
    else layout.set(first, (layout.get(first) ?? new Map()).set(second, leaf))
  }
  return layout
}

/**
 * A function that makes the object. It is compiled, as one that goes through the names takes five times as long.
 * @type {(layout: Map<string, any>) => (endSeen: boolean, n: ArrayLike<number | null>) => object}
 */
function compiled (layout) {
  const values = {
    number: (at) => `n[${at}]`,
    flag: (at) => `n[${at}] === null ? null : n[${at}] === 1`,
    'on-request': (at) => `endSeen ? n[${at}] : null`
  }
  const text = (node) => node instanceof Map
    ? `{ ${[...node].map(([name, inner]) => `${JSON.stringify(name)}: ${text(inner)}`).join(', ')} }`
    : values[node.shown](node.at)
  // Only names of our own addon are in it.
  // eslint-disable-next-line no-new-func
  return new Function('endSeen', 'n', `return ${text(layout)}`)
}

/** A function that makes the same object, for processes that make no code from strings (`--disallow-code-generation-from-strings`). */
function interpreted (layout) {
  const value = ({ at, shown }, endSeen, n) => {
    if (shown === 'flag') return n[at] === null ? null : n[at] === 1
    return shown === 'on-request' && !endSeen ? null : n[at]
  }
  const made = (node, endSeen, n) => node instanceof Map
    ? Object.fromEntries([...node].map(([name, inner]) => [name, made(inner, endSeen, n)]))
    : value(node, endSeen, n)
  return (endSeen, n) => made(layout, endSeen, n)
}

function builder () {
  const layout = layoutOf(FIGURES)
  try {
    return compiled(layout)
  } catch (error) {
    if (error instanceof EvalError) return interpreted(layout)
    throw error
  }
}

let build

/**
 * @param {boolean} [endSeen] whether the end of Buffers that Node allocates was looked for
 * @param {ArrayLike<number | null>} [n] all numbers of one addon; all 0 without
 */
function figures (endSeen = false, n = ZEROS) {
  build ??= builder()
  return build(endSeen, n)
}

/** The same names without a figure: nothing was counted, which is not 0. */
function noFigures () {
  return figures(false, NULLS)
}

module.exports = { NUMBERS, figures, noFigures }
