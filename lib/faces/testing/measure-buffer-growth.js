'use strict'

// Runs two equal blocks, and takes a census before, between and after them. Runs both once more when a figure grew.

// Not through index.js, which loads this file at the first call: a test may have replaced `fs` by then.
const { census } = require('../../buffers/census.js')
const { bytes } = require('../../base/units.js')
const { OffheapError } = require('../../base/errors.js')
const { LONGEST_MS, TIMEOUT_MS } = require('../../base/times.js')
const { func, integer, oneOf, options: checkOptions } = require('../../base/validate.js')
const { run } = require('./measure-growth.js')

const ITERATIONS = 100
const WARMUP = 10
const ATTEMPTS = 2
const TOP = 10
const MODES = ['auto', 'probe', 'in-process']

// Bytes of Buffers that Node itself may allocate in a block, without the pool.
const NOISE_BYTES = 2_048

/** The figures of a census that are compared, in bytes. The name of a figure is its place in the census. */
const FIGURES = {
  'slabs.pinnedBytes': ({ slabs }) => slabs.pinnedBytes,
  'slices.pinnedBytes': ({ slices }) => slices.pinnedBytes,
  'backingStores.bytes': ({ backingStores }) => backingStores.bytes
}

/**
 * @param {() => unknown} fn
 * @param {import('../../testing.js').BufferGrowthOptions} [options]
 * @returns {Promise<import('../../testing.js').BufferGrowth>}
 */
async function measureBufferGrowth (fn, options) {
  func('fn', fn)
  const { iterations = ITERATIONS, warmup = WARMUP, toleranceBytes: given, mode = 'auto', timeoutMs = TIMEOUT_MS } =
    checkOptions('options', options, ['iterations', 'warmup', 'toleranceBytes', 'mode', 'timeoutMs'])
  integer('options.iterations', iterations, { min: 1 })
  integer('options.warmup', warmup)
  const toleranceBytes = given === undefined ? undefined : bytes('options.toleranceBytes', given, { min: 0 })
  oneOf('options.mode', mode, MODES)
  integer('options.timeoutMs', timeoutMs, { min: 1, max: LONGEST_MS })
  // A test may pause this thread for as long as a child may take.
  const take = (more) => census({ mode, fallback: true, top: TOP, timeoutMs, maxPauseMs: timeoutMs, ...more })
  const measured = async () => comparable(await take())
  const toleranceOf = (name, slabBytes) => toleranceBytes ?? NOISE_BYTES + (name === 'slices.pinnedBytes' ? 0 : slabBytes)

  await run(fn, warmup)
  let before = await measured()
  let grew = []
  let figures
  for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
    await run(fn, iterations)
    const between = await measured()
    await run(fn, iterations)
    const after = await measured()
    figures = Object.entries(FIGURES).map(([name, of]) => {
      const blockBytes = [of(between) - of(before), of(after) - of(between)]
      const allowed = toleranceOf(name, after.slabs.slabBytes)
      // In a second attempt, only figures count that also grew in the first. Other code can make a figure grow once.
      const isGrowth = blockBytes[1] > allowed && (attempt === 1 || grew.includes(name))
      return { metric: name, blockBytes, bytesPerIteration: blockBytes[1] / iterations, toleranceBytes: allowed, grew: isGrowth }
    })
    grew = figures.filter((figure) => figure.grew).map(({ metric }) => metric)
    if (grew.length === 0) return { iterations, warmup, attempts: attempt, figures, census: after }
    before = after
  }
  // The last census also finds retaining paths, with a snapshot. When there is no memory for a snapshot, it is taken without paths.
  const last = await take({ retainers: true }).catch(() => take())
  return { iterations, warmup, attempts: ATTEMPTS, figures, census: last }
}

/** Refuses an incomplete census: the difference of two censuses that read different realms is no growth. */
function comparable (taken) {
  const { missing, realms: { count, readCount } } = taken
  if (!missing.includes('realms')) return taken
  throw new OffheapError('ERR_OFFHEAP_CENSUS_INCOMPLETE', `A census read only ${readCount} of ${count} realms before its time limit, so growth cannot be measured; raise *timeoutMs*`)
}

/** The figures that grew, and the largest offenders at the end. */
function describe ({ iterations, warmup, attempts, figures, census: { slabs, slices, large } }) {
  const lines = figures.filter((figure) => figure.grew).map(({ metric, blockBytes: [first, second], bytesPerIteration, toleranceBytes }) =>
    `  ${metric}: +${Math.round(bytesPerIteration)} bytes per iteration (block 1: ${signed(first)} bytes, block 2: ${signed(second)} bytes, of ${iterations} iterations each; tolerance ${toleranceBytes} bytes)`)
  const held = ({ className, label, path }) => [className, label === null ? '' : ` with label ${JSON.stringify(label)}`, path ? `, held by ${path}` : ''].join('')
  const offenders = []
  if (figures.some(({ metric, grew }) => grew && metric === 'slices.pinnedBytes')) {
    offenders.push(...slices.top.slice(0, 3).map((row) => `  ${row.viewBytes} of ${row.bytes} bytes: ${held(row)}`))
  }
  if (figures.some(({ metric, grew }) => grew && metric === 'slabs.pinnedBytes')) {
    offenders.push(...slabs.top.slice(0, 3).map((row) => `  ${row.sliceBytes} of ${row.bytes} bytes of a slab, ${row.sliceCount} slices: ${held(row)}`))
  }
  if (offenders.length === 0) offenders.push(...large.top.slice(0, 3).map((row) => `  ${row.bytes} bytes: ${held(row)}`))
  return [...lines, `  after ${warmup} calls to warm up, in each of ${attempts} attempts`, 'The largest now:', ...offenders].join('\n')
}

function signed (value) {
  return value < 0 ? String(value) : `+${value}`
}

module.exports = { describe, measureBufferGrowth }
