'use strict'

// The Monitor of offheap/register, which writes a heap snapshot at a threshold or a signal, and what it logs. Loaded only where the environment requests one.

const fs = require('node:fs')
const os = require('node:os')
const { unused } = require('./variables.js')
const { bytes } = require('../../base/format.js')
const { memory } = require('../../memory/memory.js')
const { checkSignal } = require('../../monitor/signals.js')
const { checkThreshold, start } = require('../../monitor/start.js')

const STDERR = 2

/** Starts the Monitor; null when no threshold and no signal is usable. */
function startMonitor ({ thresholds, signal, directory }, warn) {
  // When nothing works, this throws, so that the reason is reported once and not for each threshold.
  memory()
  /** Whether `check` passes. A wrong threshold must not disable the signal: without its listener, the signal would end the service. */
  const works = (variable, text, check) => {
    try {
      check()
      return true
    } catch (error) {
      warn(unused(variable, text, error))
      return false
    }
  }
  const wanted = new Map()
  for (const { metric, limit, text } of thresholds) {
    if (!works('OFFHEAP_SNAPSHOT_AT', text, () => checkThreshold('OFFHEAP_SNAPSHOT_AT', metric, limit))) continue
    // A metric may have several thresholds.
    wanted.set(metric, [...(wanted.get(metric) ?? []), limit])
  }
  const listens = signal !== undefined && works('OFFHEAP_SNAPSHOT_SIGNAL', signal, () => checkSignal('OFFHEAP_SNAPSHOT_SIGNAL', signal))
  if (wanted.size === 0 && !listens) return null
  const monitor = start({
    thresholds: Object.fromEntries(wanted),
    snapshot: { ...(listens && { processSignal: signal }), ...(directory !== undefined && { directory }) }
  })
  return monitor.on('snapshotWritten', logWritten).on('triggered', logRefused)
}

function logWritten ({ file, byteLength, pauseMs }) {
  log(`heap snapshot ${file}, ${bytes(byteLength)}, the thread paused ${pauseMs.toFixed(1)} ms`)
}

const REFUSALS = { cooldown: 'the last one began less than 30 minutes ago', 'daily-limit': 'the limit of 6 in 24 hours is reached' }

/** Logs that a limit forbids a snapshot. The threshold does not fire again until the metric has fallen, so there will be no snapshot of this breach. */
function logRefused ({ metric, valueBytes, valueCount, snapshot }) {
  const value = valueBytes === undefined ? String(valueCount) : bytes(valueBytes)
  if (REFUSALS[snapshot] !== undefined) log(`${metric} is at ${value}, over its limit; no heap snapshot was written: ${REFUSALS[snapshot]}`)
}

/** Writes one line to stderr, for an operator who sent the signal or reads the log. */
function log (text) {
  try {
    // It does not use process.stderr, because the service may have replaced that. A closed stderr must not become an error of the service.
    if (raisesNoSignal()) fs.writeSync(STDERR, `offheap: ${text}\n`)
  } catch {
    // stderr is closed.
  }
}

/**
 * Whether a write to stderr cannot raise SIGPIPE. A pipe without a reader raises that signal. Node ignores it. But a service that has had a
 * listener for SIGPIPE no longer ignores it: the signal would end the service, or call its listener. Files and terminals never raise it.
 */
function raisesNoSignal () {
  const stderr = fs.fstatSync(STDERR)
  if (stderr.isFile() || stderr.isCharacterDevice()) return true
  const ignored = /^SigIgn:\s*([0-9a-f]+)$/m.exec(fs.readFileSync('/proc/self/status', 'latin1'))
  return (BigInt(`0x${ignored[1]}`) >> BigInt(os.constants.signals.SIGPIPE - 1) & 1n) === 1n
}

module.exports = { startMonitor }
