'use strict'

// census(): checks the options, runs one census at a time, and chooses between a child of the probe and this process.

const v8 = require('node:v8')
const { setImmediate: nextTick, setTimeout: sleep } = require('node:timers/promises')
const { OffheapError } = require('../base/errors.js')
const { throwIfAborted } = require('../base/abort.js')
const { joined } = require('../base/joining.js')
const { LONGEST_MS, TIMEOUT_MS } = require('../base/times.js')
const { childOrHere } = require('../probe/child-or-here.js')
const { run } = require('../probe/run.js')
const { asThrown } = require('../probe/thrown.js')
const { takeCensus } = require('./census/take.js')
const { expectedBytes } = require('./census/estimate.js')
const { abortSignal, boolean, integer, oneOf, options: checkOptions } = require('../base/validate.js')

const NAMES = ['mode', 'fallback', 'top', 'retainers', 'timeoutMs', 'maxPauseMs', 'signal']
const MODES = ['auto', 'probe', 'in-process']
const TOP = 10
const MAX_TOP = 1000
const MAX_PAUSE_MS = 5_000
/** The share of its time that a child uses to read realms. The rest is for its result, and for steps that take longer than estimated. */
const CHILD_SHARE = 0.8

/** The census that this thread is taking. A call with the same options joins it. */
let running

/** Takes a census of the Buffers of this thread; see types/buffers.d.ts. */
async function census (options) {
  const settings = check(options)
  const { signal } = settings
  throwIfAborted(signal)
  // zlib is loaded only when it is needed, because a program may configure Buffer before it loads zlib.
  if (settings.retainers) require('node:zlib')
  const wanted = JSON.stringify([settings.mode, settings.fallback, settings.top, settings.retainers, settings.maxPauseMs])
  if (running !== undefined && (running.wanted !== wanted || running.controller.signal.aborted)) {
    throw new OffheapError('ERR_OFFHEAP_CENSUS_IN_PROGRESS', 'This thread is taking another census, with other options; wait for it')
  }
  if (running === undefined) {
    const controller = new AbortController()
    running = { wanted, controller, waiting: 0 }
    running.result = take(settings, controller.signal).finally(() => { running = undefined })
  }
  const { text, ...facts } = await joined(running, signal)
  // Parsed here for each caller, so that the results are objects of this realm.
  return { ...facts, ...JSON.parse(text) }
}

function check (options) {
  const { mode = 'auto', fallback = false, top = TOP, retainers = false, timeoutMs = TIMEOUT_MS, maxPauseMs = MAX_PAUSE_MS, signal } = checkOptions('options', options, NAMES)
  oneOf('options.mode', mode, MODES)
  boolean('options.fallback', fallback)
  integer('options.top', top, { min: 1, max: MAX_TOP })
  boolean('options.retainers', retainers)
  integer('options.timeoutMs', timeoutMs, { min: 1, max: LONGEST_MS })
  integer('options.maxPauseMs', maxPauseMs, { min: 1, max: LONGEST_MS })
  if (signal !== undefined) abortSignal('options.signal', signal)
  return { mode, fallback, top, retainers, timeoutMs, maxPauseMs, signal }
}

/** How often a census begins again while realms are ending: Node removes them from the inspector's list in a later tick; see census/realms.js. */
const MAX_VISITS = 5
const NEXT_VISIT_MS = 10

async function take (settings, signal) {
  const start = performance.now()
  let attempts = 0
  let pauseMs = 0
  for (let visit = 1; ; visit++) {
    await (visit === 1 ? nextTick() : sleep(NEXT_VISIT_MS))
    throwIfAborted(signal)
    const taken = await takeAnyWay({ ...settings, deadline: start + settings.timeoutMs }, signal, visit < MAX_VISITS)
    attempts += taken.attempts
    pauseMs = Math.max(pauseMs, taken.pauseMs)
    if (taken.text !== undefined) return { mode: taken.mode, pauseMs, durationMs: performance.now() - start, attempts, text: taken.text }
  }
}

function takeAnyWay (settings, signal, patient) {
  const timeoutMs = Math.max(1, Math.ceil(settings.deadline - performance.now()))
  return childOrHere(settings, {
    said: ['A census', 'take'],
    timeoutMs,
    signal,
    inChild: (timeLeftMs) => takeInProbe(settings, timeLeftMs, signal, patient),
    here: () => takeHere(settings, patient)
  })
}

async function takeInProbe (settings, timeoutMs, signal, patient) {
  const { deadline } = settings
  const { thrown, value, pauseMs, attempts } = await run({
    work: () => {
      const start = performance.now()
      return JSON.stringify(takeCensus(settings, { inChild: true, patient, deadline: start + (deadline - start) * CHILD_SHARE }))
    },
    expectedBytes: expectedBytes(settings),
    // A census reads the addresses of Buffers and not their contents.
    excludeMemory: true,
    timeoutMs,
    signal
  })
  if (thrown !== undefined) throw asThrown(thrown)
  return { mode: 'probe', pauseMs, attempts, text: v8.deserialize(value) }
}

function takeHere (settings, patient) {
  const start = performance.now()
  const deadline = Math.min(settings.deadline, start + settings.maxPauseMs)
  const text = JSON.stringify(takeCensus(settings, { inChild: false, patient, deadline }))
  return { mode: 'in-process', pauseMs: performance.now() - start, attempts: 1, text }
}

module.exports = { census }
