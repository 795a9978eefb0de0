import type { EventEmitter } from 'node:events'
import type { AddonRow, watchAddons } from './addons.js'
import type { OffheapError, Percentage, Size } from './base.js'
import type { TrackBuffersOptions } from './buffers-profile.js'
import type { HeapSnapshot, SnapshotFileOptions, SnapshotWriteProgress, writeHeapSnapshot } from './heap-snapshots.js'
import type { Memory, ResidentBreakdown } from './memory.js'

/**
 * A figure that a threshold can compare: figures of `memory()` and `residentBreakdown()`, with the same names, and two sums of what addons
 * hold. Limits (`heapLimitBytes`, `cgroupLimitBytes`) are no metrics; percentages refer to them.
 */
export type Metric = MemoryMetric | BreakdownMetric | 'references' | 'addonExternalBytes'

/** Figures of `memory()`. Every sample contains them. */
export type MemoryMetric = 'rss' | 'rssAnonBytes' | 'rssFileBytes' | 'rssShmemBytes' | 'heapTotal' | 'heapUsed' | 'external' | 'arrayBuffers' | 'otherExternalBytes' |
  'declaredExternalBytes' | 'trackedExternalBytes' | 'globalHandlesBytes' | 'cgroupUsageBytes' | 'cgroupWorkingSetBytes' | 'bufferPool.liveBytes' | 'bufferPool.pinnedBytes'

/**
 * Figures of `residentBreakdown()`, which takes milliseconds on another thread. A Monitor calls it as often as 1 % of the time allows: for
 * every sample of a small process, every 10 to 20 s at 1.5 GB. `forSamples` counts only the samples that contain a new breakdown.
 *
 * A threshold on `mallocUndividedBytes` cannot be combined with one on `mallocInUseBytes`, `mallocFreeBytes`, `mallocFreeAtMostBytes` or
 * `notResidentBytes` (`ERR_INVALID_ARG_VALUE`): the breakdown has either that figure or these.
 */
export type BreakdownMetric = 'v8HeapBytes' | 'wasmBytes' | 'arrayBuffersResidentBytes' | 'mallocInUseBytes' | 'mallocFreeBytes' | 'mallocFreeAtMostBytes' |
  'mallocUndividedBytes' | 'notResidentBytes' | 'threadStacksBytes' | 'fileMappingsBytes' | 'sharedMemoryBytes' | 'otherAnonymousBytes' | 'unexplainedBytes' | 'otherDeclaredBytes' | 'swappedBytes'

/**
 * A limit: a size (`900_000_000`, `'900MB'`) or a percentage (`'80%'`). A percentage refers to:
 * - the heap limit, for `heapUsed` and `heapTotal`. This is `--max-old-space-size` or a worker's `resourceLimits`, where one is set. V8's own
 *   limit adds up to 192 MiB of young generation, so it is used only without them.
 * - the cgroup limit, for `cgroupUsageBytes` and `cgroupWorkingSetBytes`
 * - the cgroup limit, or without one the machine's memory, for all other metrics
 *
 * Every sample reads this base again.
 */
export type Limit = Size | Percentage

export interface ThresholdOptions {
  /** The threshold fires after this many samples in a row at or above the limit: 1 to 1,000 (default: `2`). */
  forSamples?: number
  /** The level that the metric must fall below before the threshold can fire again, in the unit of the limit (default: 95 % of the limit). */
  rearmBelow?: Limit
  /** The threshold fires at most once in this time, in ms (default: `60000`). */
  cooldownMs?: number
  /**
   * `'event'`: the Monitor emits `'triggered'`. `'snapshot'`: it also writes a heap snapshot (default: `'snapshot'` when `start()` has the
   * option `snapshot`, otherwise `'event'`). With `snapshot: false`, `'snapshot'` is refused (`ERR_INVALID_ARG_VALUE`).
   */
  action?: 'event' | 'snapshot'
}

export interface AbsoluteThreshold extends ThresholdOptions {
  /** The limit. */
  above: Limit
}

export interface GrowthThreshold extends ThresholdOptions {
  /**
   * Growth of the floor, in bytes. The floor is the lowest value of the last half of `overMs`; it is compared with the floor one `overMs`
   * earlier (docs/monitor.md).
   */
  growth: Size
  /** The time between the two floors, in ms; at least two sample intervals. */
  overMs: number
}

export type Threshold = Limit | AbsoluteThreshold | GrowthThreshold

/** The addon of a threshold. */
export interface OfAddon {
  /** The addon's name as in `addons()` (`'@img/sharp'`), or the last part of the name (`'sharp'`) (default: all addons together). */
  addon?: string
}

/** Options of a threshold that is a count of references. A count cannot be a percentage. */
type CountOptions = Omit<ThresholdOptions, 'rearmBelow'> & OfAddon & {
  /** The count that the references must fall below before the threshold can fire again (default: 95 % of the limit). */
  rearmBelow?: number
}

/** `above`: the limit as a number of live references, at least 1. */
export type ReferenceThreshold = CountOptions & { above: number }

/** `growth`: growth of the floor as a number of references, at least 1; see {@link GrowthThreshold}. */
export type ReferenceGrowthThreshold = CountOptions & { growth: number, overMs: number }

export type AddonReferenceThreshold = number | ReferenceThreshold | ReferenceGrowthThreshold
export type AddonExternalThreshold = Limit | (OfAddon & (AbsoluteThreshold | GrowthThreshold))

/**
 * Thresholds by metric; a metric may have several. With a threshold on `references` or `addonExternalBytes`, the Monitor watches addons
 * while it runs ({@link watchAddons}). An addon that is not loaded yet counts as 0.
 */
export type Thresholds = {
  [metric in Exclude<Metric, 'references' | 'addonExternalBytes'>]?: Threshold | Threshold[]
} & {
  references?: AddonReferenceThreshold | AddonReferenceThreshold[]
  addonExternalBytes?: AddonExternalThreshold | AddonExternalThreshold[]
}

export interface MonitorSnapshotOptions extends SnapshotFileOptions {
  /** The most snapshots that thresholds may write in any 24 hours (default: `6`). Snapshots that are in the directory at the start count too. */
  maxPerDay?: number
  /**
   * A signal of the operating system that makes the Monitor write a snapshot, such as `'SIGUSR2'` (default: none). Cooldown and daily limit do
   * not apply to it. Main thread only. Signals that end the process or that Node uses are refused (`ERR_INVALID_ARG_VALUE`).
   */
  processSignal?: NodeJS.Signals
}

export interface StartOptions {
  /** Time between two samples, in ms; at least 10 (default: `5000`). */
  sampleIntervalMs?: number
  /** Thresholds by metric (default: none). A threshold that fires emits `'triggered'`. Its `action` says whether a snapshot is written too. */
  thresholds?: Thresholds
  /**
   * Let thresholds write heap snapshots, and `processSignal` too (default: `false`). An object says where and how; `true` uses the defaults. A
   * threshold with `action: 'event'` writes none.
   */
  snapshot?: boolean | MonitorSnapshotOptions
  /** How many samples `history()` keeps: 1 to 100,000 (default: `720`, one hour at the default interval). */
  historyLength?: number
  /**
   * Let V8 number all objects at the start (default: `false`). Later snapshots then give the surviving objects the same ids, so that they can
   * be compared by id. For this, `start()` takes a snapshot in the process and discards it. This pauses the JS thread: do it while the heap
   * is small.
   */
  baseline?: boolean
  /** Sample Buffers until `stop()`, as `trackBuffers()` does (default: `false`). */
  trackBuffers?: boolean | TrackBuffersOptions
}

/** What one addon holds: the sum of its environments in all threads, with the names of {@link AddonRow}. `null` where it cannot be counted. */
export interface AddonSummary {
  readonly name: string
  /** Live references, and weak ones whose object was collected. */
  readonly references: { readonly liveCount: number | null, readonly outlivedCount: number | null }
  /** Live bytes of external Buffers, ArrayBuffers and strings. */
  readonly externalBytes: number | null
  /** Bytes declared with `napi_adjust_external_memory`, minus bytes taken back. */
  readonly adjustedExternalBytes: number | null
}

/** One sample of a Monitor: all figures of `memory()`, and further ones that thresholds need. Bytes; `null` means "cannot be measured". */
export interface Sample extends Memory {
  /** When the sample was taken (ISO 8601, UTC). */
  readonly at: string
  /** What each addon holds; `null` while addons are not watched ({@link watchAddons}). */
  readonly addons: AddonSummary[] | null
  /** A breakdown that finished since the last sample; otherwise `null`. Always `null` without a threshold on one of its figures. */
  readonly residentBreakdown: ResidentBreakdown | null
}

interface TriggeredBase {
  kind: 'absolute' | 'percentage' | 'growth'
  /** When the threshold fired (ISO 8601, UTC). */
  at: string
  /**
   * `'started'`: a snapshot begins. `'off'`: the threshold writes no snapshots. `'in-progress'`: this Monitor writes another one. `'cooldown'`
   * and `'daily-limit'`: this limit forbids it.
   */
  snapshot: 'started' | 'off' | 'in-progress' | 'cooldown' | 'daily-limit'
  /** The sample that made the threshold fire. */
  sample: Sample
}

/** The event of a threshold in bytes. */
export interface TriggeredBytes extends TriggeredBase {
  metric: Exclude<Metric, 'references'>
  /** The addon that the threshold names; `null` for all addons. With `addonExternalBytes` only. */
  addon?: string | null
  /** The threshold as it was passed to `start()`: `'80%'`, `{ growth, overMs }`. */
  threshold: Limit | { growth: Size, overMs: number } | AddonExternalThreshold
  /** The threshold in bytes, at this sample. */
  thresholdBytes: number
  /** The value that was compared: the metric, or its growth. */
  valueBytes: number
  /** The metric. */
  metricBytes: number
  /** Missing: this threshold is in bytes. */
  valueCount?: undefined
  thresholdCount?: undefined
  metricCount?: undefined
}

/** The event of a threshold in references. */
export interface TriggeredCount extends TriggeredBase {
  metric: 'references'
  /** The addon that the threshold names; `null` for all addons. */
  addon: string | null
  /** The threshold as it was passed to `start()`. */
  threshold: AddonReferenceThreshold
  /** Missing: this threshold is a count. */
  valueBytes?: undefined
  thresholdBytes?: undefined
  metricBytes?: undefined
  /** The threshold as a count. */
  thresholdCount: number
  /** The value that was compared: the count, or its growth. */
  valueCount: number
  /** The count. */
  metricCount: number
}

/** The event `'triggered'`: a threshold fired. */
export type Triggered = TriggeredBytes | TriggeredCount

/** The event `'snapshotWritten'`: a Monitor wrote a snapshot. */
export interface SnapshotWritten extends HeapSnapshot {
  /** The threshold that fired; `null` when a signal requested the snapshot. */
  trigger: Triggered | null
}

/**
 * Samples memory outside of the request path, and acts when a threshold is reached. {@link start} makes it.
 *
 * No failure of a Monitor reaches the service. When a listener throws or rejects, the Monitor emits `'error'`
 * (`ERR_OFFHEAP_LISTENER_FAILED`). Without a listener for `'error'`, it becomes a process warning, once per code.
 */
export interface Monitor extends EventEmitter {
  on (event: 'sample', listener: (sample: Sample) => void): this
  on (event: 'triggered', listener: (event: Triggered) => void): this
  on (event: 'snapshotWritten', listener: (snapshot: SnapshotWritten) => void): this
  on (event: 'snapshotProgress', listener: (progress: SnapshotWriteProgress) => void): this
  on (event: 'error', listener: (error: OffheapError) => void): this
  once (event: 'sample', listener: (sample: Sample) => void): this
  once (event: 'triggered', listener: (event: Triggered) => void): this
  once (event: 'snapshotWritten', listener: (snapshot: SnapshotWritten) => void): this
  once (event: 'snapshotProgress', listener: (progress: SnapshotWriteProgress) => void): this
  once (event: 'error', listener: (error: OffheapError) => void): this
  /**
   * Takes one sample now, and checks the thresholds, as the timer does. Costs about 0.1 ms; no pause, no garbage collection. After `stop()` it
   * only returns the sample.
   */
  sample (): Sample
  /** A copy of the list of the last samples, oldest first. */
  history (): Sample[]
  /**
   * Ends the Monitor; a second call does nothing. Removes its timer and its signal handler. Aborts a snapshot that is being written; no file
   * is left behind.
   */
  stop (): void
  /** The same as `stop()`, for `using`, where the runtime has `Symbol.dispose`. */
  [Symbol.dispose] (): void
}

/**
 * Starts a Monitor. Its timer does not keep the process alive. Several Monitors may run at the same time.
 *
 * - Without options, the Monitor only samples.
 * - With `thresholds`, it emits `'triggered'` when a threshold is reached, once until the metric has fallen again.
 * - With `snapshot`, such a threshold also writes a heap snapshot, within limits: 30 minutes apart, 6 per 24 hours, 5 files and 4 GB in the
 *   directory, 256 MB of free disk.
 *
 * A sample costs about 0.1 ms; no pause, no garbage collection. A snapshot pauses the JS thread for one `fork()`, some milliseconds. Where the
 * probe does not work, no snapshot is written, unless `snapshot.fallback` allows a pause for the whole snapshot; see
 * {@link writeHeapSnapshot}.
 *
 * @throws {ERR_OFFHEAP_METRIC_UNAVAILABLE} the metric of a threshold cannot be measured here, or the limit that a percentage refers to
 * @throws {ERR_OFFHEAP_READ_FAILED} a threshold cannot be checked at this moment, because file descriptors are short
 * @throws {ERR_OFFHEAP_UNSUPPORTED_PLATFORM} `processSignal` in a worker thread, which receives no signals; or a threshold on what addons hold,
 *   where addons cannot be watched
 * @throws {ERR_OFFHEAP_WATCH_REFUSED} a threshold on what addons hold, where {@link watchAddons} refuses
 * @throws {ERR_OFFHEAP_BINDING_LOAD_FAILED} there is no addon for this platform
 * @throws {ERR_INVALID_ARG_TYPE} {ERR_INVALID_ARG_VALUE} {ERR_OUT_OF_RANGE} an option is wrong
 * @example
 * const { start } = require('offheap')
 * const monitor = start({ thresholds: { rss: '80%' }, snapshot: { processSignal: 'SIGUSR2' } })
 * monitor.on('snapshotWritten', ({ file, trigger }) => console.log(file, trigger?.metric))
 */
export function start (options?: StartOptions): Monitor
