import type { EventEmitter } from 'node:events'
import type { AddonRow, watchAddons } from './addons.js'
import type { OffheapError, Percentage, Size } from './base.js'
import type { TrackBuffersOptions } from './buffers-profile.js'
import type { HeapSnapshot, SnapshotFileOptions, WriteProgress, writeHeapSnapshot } from './heap-snapshots.js'
import type { Memory, ResidentBreakdown } from './memory.js'

/**
 * What a threshold can be on: figures of `memory()` and `residentBreakdown()` under the names that they have there, and two sums of what
 * addons hold. Limits are no metrics: percentages are taken of them.
 */
export type Metric = MemoryMetric | BreakdownMetric | 'references' | 'addonExternalBytes'

/** Figures of `memory()`; read with every sample. */
export type MemoryMetric = 'rss' | 'rssAnonBytes' | 'rssFileBytes' | 'rssShmemBytes' | 'heapTotal' | 'heapUsed' | 'external' | 'arrayBuffers' | 'otherExternalBytes' |
  'declaredExternalBytes' | 'trackedExternalBytes' | 'globalHandlesBytes' | 'cgroupUsageBytes' | 'cgroupWorkingSetBytes' | 'bufferPool.liveBytes' | 'bufferPool.pinnedBytes'

/**
 * Figures of `residentBreakdown()`. It takes milliseconds on another thread, so it is taken as often as one per cent of the time allows (every sample of a
 * small process, every 10 to 20 s at 1.5 GB), and `forSamples` counts the samples that have a new one.
 */
export type BreakdownMetric = 'v8HeapBytes' | 'wasmBytes' | 'arrayBuffersResidentBytes' | 'mallocInUseBytes' | 'mallocFreeBytes' | 'mallocFreeAtMostBytes' |
  'mallocUndividedBytes' | 'notResidentBytes' | 'threadStacksBytes' | 'fileMappingsBytes' | 'sharedMemoryBytes' | 'otherAnonymousBytes' | 'unexplainedBytes' | 'swappedBytes'

/**
 * A limit: a size (`900_000_000`, `'900MB'`) or a percentage (`'80%'`).
 * Percentages are of the heap limit for `heapUsed` and `heapTotal` (`--max-old-space-size` or a worker's `resourceLimits` where one is set, because
 * V8's own limit adds up to 192 MiB of young generation to it), of the cgroup limit for `cgroupUsageBytes` and
 * `cgroupWorkingSetBytes`, and for the others of the
 * cgroup limit or, where there is none, of the machine's memory. The base is read anew with every sample.
 */
export type Limit = Size | Percentage

export interface ThresholdOptions {
  /** Fires after this many samples in a row at or over the limit (default: `2`). */
  forSamples?: number
  /** The level to fall below before it may fire again, in the unit of the limit (default: 95 % of the limit). */
  rearmBelow?: Limit
  /** Fires at most once in this time, in ms (default: `60000`). */
  cooldownMs?: number
  /**
   * `'event'`: it emits `'triggered'`. `'snapshot'`: it writes a heap snapshot as well (default: `'snapshot'` where `start()` was given
   * `snapshot`, otherwise `'event'`).
   */
  action?: 'event' | 'snapshot'
}

export interface AbsoluteThreshold extends ThresholdOptions {
  /** The limit. */
  above: Limit
}

export interface GrowthThreshold extends ThresholdOptions {
  /** So much growth of the floor: the lowest value of late against the lowest value `overMs` before; see docs/monitor.md. */
  growth: Size
  /** Over this time, in ms; at least two sample intervals. */
  overMs: number
}

export type Threshold = Limit | AbsoluteThreshold | GrowthThreshold

/** Which addon a threshold is about. */
export interface OfAddon {
  /** Its name as in `addons()`, `'@img/sharp'`; the last part of it will do, `'sharp'` (default: all addons together). */
  addon?: string
}

/** What a threshold in references has of the others; counts have no percentage. */
type CountOptions = Omit<ThresholdOptions, 'rearmBelow'> & OfAddon & {
  /** The count to fall below before it may fire again (default: 95 % of the limit). */
  rearmBelow?: number
}

/** A number of live references: the limit, at least 1. */
export type ReferenceThreshold = CountOptions & { above: number }

/** How many references more: growth of the floor, as in {@link GrowthThreshold}. */
export type ReferenceGrowthThreshold = CountOptions & { growth: number, overMs: number }

export type AddonReferenceThreshold = number | ReferenceThreshold | ReferenceGrowthThreshold
export type AddonExternalThreshold = Limit | (OfAddon & (AbsoluteThreshold | GrowthThreshold))

/**
 * Thresholds by metric, any number of each. Those of `references` and `addonExternalBytes` have addons watched for as long as the Monitor
 * runs ({@link watchAddons}); an addon that is not loaded (yet) counts as 0.
 */
export type Thresholds = {
  [metric in Exclude<Metric, 'references' | 'addonExternalBytes'>]?: Threshold | Threshold[]
} & {
  references?: AddonReferenceThreshold | AddonReferenceThreshold[]
  addonExternalBytes?: AddonExternalThreshold | AddonExternalThreshold[]
}

export interface MonitorSnapshotOptions extends SnapshotFileOptions {
  /** At most this many snapshots by threshold in any 24 hours (default: `6`). What lies in the directory at the start counts. */
  maxPerDay?: number
  /** A signal of the system that writes a snapshot, cooldown and daily limit or not, such as `'SIGUSR2'` (default: none). Main thread only. */
  processSignal?: NodeJS.Signals
}

export interface StartOptions {
  /** Time between samples in ms (default: `5000`; at least 10). */
  sampleIntervalMs?: number
  /** When something is to happen (default: never). Each emits `'triggered'`, and what else it does is its `action`. */
  thresholds?: Thresholds
  /**
   * `true`, or how and where: thresholds write heap snapshots, and so does `processSignal` (default: `false`). A threshold with `action: 'event'`
   * writes none.
   */
  snapshot?: boolean | MonitorSnapshotOptions
  /** How many samples are kept, 1 to 100,000 (default: `720`, an hour at the default interval). */
  historyLength?: number
  /**
   * Numbers all objects at start, by a snapshot that nobody reads, so that later snapshots give what still lives the same
   * ids and can be compared by them (default: `false`). Stops the JS thread like any snapshot in the process: do it while
   * the heap is small.
   */
  baseline?: boolean
  /** Samples Buffers until `stop()`, as `trackBuffers()` does (default: `false`). */
  trackBuffers?: boolean | TrackBuffersOptions
}

/** What one addon holds, all its environments in all threads together, under the names of {@link AddonRow}. `null` where it cannot be counted. */
export interface AddonSummary {
  readonly name: string
  /** Live ones, and those of them whose object was collected. */
  readonly references: { readonly liveCount: number | null, readonly outlivedCount: number | null }
  /** Bytes of external Buffers, ArrayBuffers and strings that JavaScript still has. */
  readonly externalBytes: number | null
  /** The net of `napi_adjust_external_memory`. */
  readonly adjustedExternalBytes: number | null
}

/** What a Monitor reads each time: all of `memory()`, and what thresholds need besides. Bytes; `null` is "cannot be measured". */
export interface Sample extends Memory {
  /** ISO 8601, UTC. */
  readonly at: string
  /** While addons are watched ({@link watchAddons}); otherwise `null`. */
  readonly addons: AddonSummary[] | null
  /** When a threshold is on one of its figures, and one has been taken since the last sample; otherwise `null`. */
  readonly residentBreakdown: ResidentBreakdown | null
}

interface TriggeredBase {
  kind: 'absolute' | 'percentage' | 'growth'
  /** ISO 8601, UTC. */
  at: string
  /** What is done about it: a snapshot begins, or none is wanted (`'off'`), or a limit forbids it. */
  snapshot: 'started' | 'off' | 'in-progress' | 'cooldown' | 'daily-limit'
  /** The sample that it fired with. */
  sample: Sample
}

/** A threshold in bytes fired. */
export interface TriggeredBytes extends TriggeredBase {
  metric: Exclude<Metric, 'references'>
  /** The addon it names, `null` for all; `addonExternalBytes` only. */
  addon?: string | null
  /** As it was given: `'80%'`, `{ growth, overMs }`. */
  threshold: Limit | { growth: Size, overMs: number } | AddonExternalThreshold
  /** In bytes, at this sample. */
  thresholdBytes: number
  /** What is over it: the metric, or what it grew by. */
  valueBytes: number
  /** The metric itself. */
  metricBytes: number
  /** Bytes are no count. */
  valueCount?: undefined
  thresholdCount?: undefined
  metricCount?: undefined
}

/** A threshold in references fired. */
export interface TriggeredCount extends TriggeredBase {
  metric: 'references'
  /** The addon it names; `null` for all. */
  addon: string | null
  /** As it was given. */
  threshold: AddonReferenceThreshold
  /** A count has no bytes. */
  valueBytes?: undefined
  thresholdBytes?: undefined
  metricBytes?: undefined
  thresholdCount: number
  /** What is over it: the count, or what it grew by. */
  valueCount: number
  /** The count itself. */
  metricCount: number
}

/** A threshold fired. */
export type Triggered = TriggeredBytes | TriggeredCount

/** A snapshot that a Monitor wrote. */
export interface SnapshotWritten extends HeapSnapshot {
  /** The threshold that asked for it; `null` for a signal. */
  trigger: Triggered | null
}

/**
 * Samples memory off the request path, and acts when a threshold is crossed; made by {@link start}.
 *
 * Nothing of it reaches the service: a listener that throws or rejects becomes an `'error'` event
 * (`ERR_OFFHEAP_LISTENER_FAILED`), and an `'error'` that nobody listens to becomes a process warning, once per code.
 */
export interface Monitor extends EventEmitter {
  on (event: 'sample', listener: (sample: Sample) => void): this
  on (event: 'triggered', listener: (event: Triggered) => void): this
  on (event: 'snapshotWritten', listener: (snapshot: SnapshotWritten) => void): this
  on (event: 'snapshotProgress', listener: (progress: WriteProgress) => void): this
  on (event: 'error', listener: (error: OffheapError) => void): this
  once (event: 'sample', listener: (sample: Sample) => void): this
  once (event: 'triggered', listener: (event: Triggered) => void): this
  once (event: 'snapshotWritten', listener: (snapshot: SnapshotWritten) => void): this
  once (event: 'snapshotProgress', listener: (progress: WriteProgress) => void): this
  once (event: 'error', listener: (error: OffheapError) => void): this
  /** Takes one sample now, as the timer does, thresholds and all. About 0.1 ms; no pause, no garbage collection. */
  sample (): Sample
  /** The last samples, oldest first; a copy. */
  history (): Sample[]
  /**
   * Ends it; again does nothing. No timer and no signal handler stays, and a snapshot that is being written is given up,
   * with nothing left behind.
   */
  stop (): void
  /** The same as `stop()`, for `using`; where the runtime has `Symbol.dispose`. */
  [Symbol.dispose] (): void
}

/**
 * Starts sampling. The timer keeps no process alive. Several Monitors may run at once.
 *
 * Without options it only samples. With `thresholds` it emits `'triggered'` when one is crossed, once per breach, and with `snapshot` it writes a
 * heap snapshot then, within limits: 30 minutes apart, 6 a day, 5 files and 4 GB in the directory, 256 MB of disk left free.
 * A snapshot pauses the JS thread for one `fork()`, milliseconds, and where there is no probe none is written unless `snapshot.fallback` allows
 * to stop the thread for it; see {@link writeHeapSnapshot}.
 *
 * @throws {ERR_OFFHEAP_METRIC_UNAVAILABLE} a threshold needs what cannot be measured here, such as a percentage of a
 *   cgroup limit where there is none
 * @throws {ERR_OFFHEAP_READ_FAILED} a threshold could not be checked at this moment, because descriptors are short
 * @throws {ERR_OFFHEAP_UNSUPPORTED_PLATFORM} `processSignal` in a worker thread, which no signal reaches; a threshold about addons
 *   where they cannot be watched
 * @example
 * const { start } = require('offheap')
 * const monitor = start({ thresholds: { rss: '80%' }, snapshot: { processSignal: 'SIGUSR2' } })
 * monitor.on('snapshotWritten', ({ file, trigger }) => console.log(file, trigger?.metric))
 */
export function start (options?: StartOptions): Monitor
