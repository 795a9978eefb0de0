'use strict'

// Two equal blocks, a settled reading before, between and after; once more when something grew.

const { OffheapError } = require('../../base/errors.js')
const { bytes } = require('../../base/units.js')
const { func, integer, invalidType, invalidValue, oneOf, options: checkOptions, string } = require('../../base/validate.js')
const { collectGarbage } = require('../../base/collect-garbage.js')
const { METRICS, agree, compare, read } = require('./growth.js')
const { rest, turn } = require('./turns.js')

const ITERATIONS = 100
const WARMUP = 10
const ATTEMPTS = 2

// Memory that goes away in steps (a finalizer that lets go of something with a finalizer) takes a round for each.
const MIN_SETTLE_ROUNDS = 3
const MAX_SETTLE_ROUNDS = 15

// Of V8's figures, beside what the pool does: what blocks of an empty function showed; docs/testing.md has the numbers.
const NOISE_BYTES = 2_048

/**
 * @param {() => unknown} fn
 * @param {import('../../testing.js').ExternalGrowthOptions} [options]
 * @returns {Promise<import('../../testing.js').ExternalGrowth>} rejects with what `fn` throws, and with argument errors
 */
async function measureGrowth (fn, options) {
  func('fn', fn)
  const { iterations, warmup, watched, explicit, toleranceOf } = check(options)
  const refused = watched.metrics.filter((metric) => explicit && metric !== 'trackedExternalBytes' && read({ metrics: [metric] }).get(metric).bytes === null)
  if (refused.length > 0) {
    throw new OffheapError('ERR_OFFHEAP_UNSUPPORTED_PLATFORM', `${refused.join(' and ')} cannot be measured here; leave it out of *options.metrics*`)
  }

  await run(fn, warmup)
  const settled = () => settledReading(() => read(watched), agree)
  let before = await settled()
  let figures
  for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
    const earlier = figures
    await run(fn, iterations)
    const between = await settled()
    await run(fn, iterations)
    const after = await settled()
    checkLabel(watched.label, after)
    figures = compare([before, between, after], iterations, toleranceOf)
    for (const figure of figures) {
      // Only what grew in both attempts: what grew once was somebody else's, or a step that comes now and then.
      if (earlier !== undefined && figure.grew) figure.grew = earlier.some((known) => known.grew && known.metric === figure.metric && known.label === figure.label)
    }
    if (attempt === ATTEMPTS || !figures.some((figure) => figure.grew)) return { iterations, warmup, attempts: attempt, figures }
    before = after
  }
}

// A function of its own, so that nothing of the last call is still on the stack when memory is read.
async function run (fn, times) {
  for (let call = 0; call < times; call++) {
    await fn()
    // Finalizers run between turns only: without one, the memory of all calls would be there at once.
    await turn()
  }
}

async function settledReading (read, agree) {
  let last
  for (let round = 1; ; round++) {
    await turn()
    collectGarbage()
    await rest()
    const reading = read()
    if (round >= MAX_SETTLE_ROUNDS || (round >= MIN_SETTLE_ROUNDS && agree(last, reading))) return reading
    last = reading
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
    throw invalidValue('options.metrics', 'an array with "trackedExternalBytes", which *options.label* is about', metrics)
  }
  return { iterations, warmup, watched: { metrics, label }, explicit: given.metrics !== undefined, toleranceOf: tolerance(toleranceBytes) }
}

/** What each figure may grow by in a block. */
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

// One slab more or less of the Buffer pool depends on where in a slab a block ends. Its size is asked for: Node's lines
// differ, and Buffer.poolSize can be set.
function defaultTolerance () {
  return Buffer.allocUnsafe(1).buffer.byteLength + NOISE_BYTES
}

// A misspelt label would be flat for ever.
function checkLabel (label, reading) {
  if (label === undefined || reading.has(`trackedExternalBytes ${label}`)) return
  throw invalidValue('options.label', 'a label that something has been tracked under; the function tracked nothing under it', label)
}

module.exports = { ATTEMPTS, ITERATIONS, WARMUP, measureGrowth, run, settledReading }
