'use strict'

// Runs two equal blocks, and measures settled memory before, between and after them. Runs both once more when a figure grew.

const { OffheapError } = require('../../base/errors.js')
const { bytes } = require('../../base/units.js')
const { func, integer, invalidType, invalidValue, oneOf, options: checkOptions, string } = require('../../base/validate.js')
const { collectGarbage } = require('../../base/collect-garbage.js')
const { METRICS, agree, compare, read } = require('./growth.js')
const { rest, turn } = require('./turns.js')

const ITERATIONS = 100
const WARMUP = 10
const ATTEMPTS = 2

// Memory that is released in steps (a finalizer releases another value with a finalizer) takes one round per step.
const MIN_SETTLE_ROUNDS = 3
const MAX_SETTLE_ROUNDS = 15

// The growth of V8's figures in blocks of an empty function, without that of the Buffer pool; docs/testing.md has the measurements.
const NOISE_BYTES = 2_048

/**
 * @param {() => unknown} fn
 * @param {import('../../testing.js').ExternalGrowthOptions} [options]
 * @returns {Promise<import('../../testing.js').ExternalGrowth>} rejects with errors of `fn`, and with argument errors
 */
async function measureGrowth (fn, options) {
  func('fn', fn)
  const { iterations, warmup, selection, explicit, toleranceOf } = check(options)
  const refused = selection.metrics.filter((metric) => explicit && metric !== 'trackedExternalBytes' && read({ metrics: [metric] }).get(metric).bytes === null)
  if (refused.length > 0) {
    throw new OffheapError('ERR_OFFHEAP_UNSUPPORTED_PLATFORM', `${refused.join(' and ')} cannot be measured here; leave it out of *options.metrics*`)
  }

  return measureBlocks(fn, {
    iterations,
    warmup,
    settled: () => settledFigures(() => read(selection), agree),
    check: (after) => checkLabel(selection.label, after),
    compare: (readings) => compare(readings, iterations, toleranceOf),
    same: (one, other) => one.metric === other.metric && one.label === other.label
  })
}

/**
 * Runs two equal blocks, and both once more when a figure grew.
 *
 * `settled` takes a reading, `check` refuses one, `compare` makes figures of three, and `same` finds a figure in the attempt before.
 */
async function measureBlocks (fn, { iterations, warmup, settled, check, compare, same }) {
  await run(fn, warmup)
  let before = await settled()
  let figures
  for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
    const earlier = figures
    await run(fn, iterations)
    const between = await settled()
    await run(fn, iterations)
    const after = await settled()
    check(after)
    figures = compare([before, between, after])
    for (const figure of figures) {
      // Only figures that grew in both attempts count. Other code, or a step that happens now and then, can make a figure grow once.
      if (earlier !== undefined && figure.grew) figure.grew = earlier.some((known) => known.grew && same(known, figure))
    }
    if (attempt === ATTEMPTS || !figures.some((figure) => figure.grew)) return { iterations, warmup, attempts: attempt, figures }
    before = after
  }
}

// A separate function, so that no value of the last call is on the stack when memory is measured.
async function run (fn, times) {
  for (let call = 0; call < times; call++) {
    await fn()
    // Finalizers run only between event-loop ticks. Without a tick, the memory of all calls would exist at the same time.
    await turn()
  }
}

async function settledFigures (read, agree) {
  let last
  for (let round = 1; ; round++) {
    await turn()
    collectGarbage()
    await rest()
    const figures = read()
    if (round >= MAX_SETTLE_ROUNDS || (round >= MIN_SETTLE_ROUNDS && agree(last, figures))) return figures
    last = figures
  }
}

function check (options) {
  const given = checkOptions('options', options, ['iterations', 'warmup', 'label', 'metrics', 'toleranceBytes'])
  const { iterations = ITERATIONS, warmup = WARMUP, label, toleranceBytes } = given
  integer('options.iterations', iterations, { min: 1 })
  integer('options.warmup', warmup)
  if (label !== undefined) string('options.label', label)
  const { metrics = label === undefined ? METRICS : ['trackedExternalBytes'] } = given
  if (!Array.isArray(metrics)) throw invalidType('options.metrics', 'an array', metrics)
  if (metrics.length === 0) throw invalidValue('options.metrics', 'an array of at least one figure', metrics)
  metrics.forEach((metric, index) => oneOf(`options.metrics[${index}]`, metric, METRICS))
  if (label !== undefined && !metrics.includes('trackedExternalBytes')) {
    throw invalidValue('options.metrics', 'an array with "trackedExternalBytes", because *options.label* selects one of its labels', metrics)
  }
  return { iterations, warmup, selection: { metrics, label }, explicit: given.metrics !== undefined, toleranceOf: tolerance(toleranceBytes) }
}

/** How much each figure may grow in a block. */
function tolerance (given) {
  if (typeof given === 'number' || typeof given === 'string') {
    const all = bytes('options.toleranceBytes', given, { min: 0 })
    return () => all
  }
  const options = checkOptions('options.toleranceBytes', given, METRICS)
  const each = {}
  for (const metric of METRICS) {
    if (options[metric] !== undefined) each[metric] = bytes(`options.toleranceBytes.${metric}`, options[metric], { min: 0 })
  }
  const others = defaultTolerance()
  return (metric) => each[metric] ?? (metric === 'trackedExternalBytes' ? 0 : others)
}

// A block may end with one slab more or less, depending on the place in the current slab. The size of a slab is read, because Node's lines differ
// and Buffer.poolSize can be set.
function defaultTolerance () {
  return Buffer.allocUnsafe(1).buffer.byteLength + NOISE_BYTES
}

// Refuses a label that was never used: a misspelt label would never grow.
function checkLabel (label, figures) {
  if (label === undefined || figures.has(`trackedExternalBytes ${label}`)) return
  throw invalidValue('options.label', 'a label that is in use; the function tracked nothing under this label', label)
}

module.exports = { ITERATIONS, WARMUP, measureBlocks, measureGrowth, run, settledFigures }
