import type { EventEmitter } from 'node:events'
import type { AddonTally, watchAddons } from './addons.js'
import type { OffheapError, Percentage, Size } from './base.js'
import type { TrackBuffersOptions } from './buffers-profile.js'
import type { HeapSnapshot, SnapshotFileOptions, WriteProgress, writeHeapSnapshot } from './heap-snapshots.js'
import type { Memory } from './memory.js'

/**
 * What is watched:
 * - `rss`: the process's resident set
 * - `heapUsed`: this isolate's V8 heap
 * - `external`, `arrayBuffers`: Node's figures
 * - `trackedExternal`: live bytes of tracked external allocations
 * - `cgroup`: the working set of the cgroup, which is what Kubernetes goes by
 * - `references`: live references of one addon or of all, in all threads; a count
 * - `addonExternal`: bytes of their own that addons handed to JavaScript (external Buffers, ArrayBuffers, strings), and what
 *   they declared with `napi_adjust_external_memory`
 */
export type Metric = 'rss' | 'heapUsed' | 'external' | 'arrayBuffers' | 'trackedExternal' | 'cgroup' | 'references' | 'addonExternal'


/**
 * A limit: a size (`900_000_000`, `'900MB'`) or a percentage (`'80%'`).
 * Percentages are of the heap limit for `heapUsed` (`--max-old-space-size` or a worker's `resourceLimits` where one is set, because
 * V8's own limit adds up to 192 MiB of young generation to it), of the cgroup limit for `cgroup`, and for the others of the
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

/** A number of live references. */
export interface ReferenceThreshold extends OfAddon {
  /** The limit, at least 1. */
  live: number
  /** As in {@link ThresholdOptions}. */
  forSamples?: number
  /** The count to fall below before it may fire again (default: 95 % of the limit). */
  rearmBelow?: number
  /** As in {@link ThresholdOptions}. */
  cooldownMs?: number
}

/** How many references more. */
export interface ReferenceGrowthThreshold extends OfAddon {
  /** Growth of the floor, as in {@link GrowthThreshold}, in references. */
  growth: number
  /** Over this time, in ms; at least two sample intervals. */
  overMs: number
  forSamples?: number
  rearmBelow?: number
  cooldownMs?: number
}

export type AddonReferenceThreshold = number | ReferenceThreshold | ReferenceGrowthThreshold

export type AddonExternalThreshold = Limit | (OfAddon & (AbsoluteThreshold | GrowthThreshold))

/**
 * Thresholds by metric, any number of each. Those of `references` and `addonExternal` have addons watched for as long as the Monitor
 * runs ({@link watchAddons}); an addon that is not loaded (yet) counts as 0.
 */
export type Thresholds = {
  [metric in Exclude<Metric, 'references' | 'addonExternal'>]?: Threshold | Threshold[]
} & {
  references?: AddonReferenceThreshold | AddonReferenceThreshold[]
  addonExternal?: AddonExternalThreshold | AddonExternalThreshold[]
}

export interface MonitorSnapshotOptions extends SnapshotFileOptions {
  /** At most this many snapshots by threshold in any 24 hours (default: `6`). What lies in the directory at the start counts. */
  maxPerDay?: number
}

export interface StartOptions {
  /** Time between samples in ms (default: `5000`; at least 10). */
  sampleIntervalMs?: number
  /** Thresholds that emit `'triggered'`; with `snapshot` options they also write one. */
  thresholds?: Thresholds
  /** Thresholds that emit `'triggered'` and write a snapshot: the short form. */
  snapshotAt?: Thresholds
  /** How snapshots are written; `false` (with `thresholds` only) writes none. */
  snapshot?: MonitorSnapshotOptions | boolean
  /** A signal that writes a snapshot, cooldown and daily limit or not, such as `'SIGUSR2'`. Main thread only. */
  signal?: NodeJS.Signals
  /** How many readings are kept, 1 to 100,000 (default: `720`, an hour at the default interval). */
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

/** What one addon holds, all its environments in all threads together. `null` where it cannot be counted. */
export interface AddonSummary {
  /** As in {@link AddonTally}. */
  readonly name: string
  readonly liveReferenceCount: number | null
  /** Live ones whose object was collected. */
  readonly outlivedReferenceCount: number | null
  /** Bytes of external Buffers, ArrayBuffers and strings that JavaScript still has. */
  readonly liveExternalBytes: number | null
  /** The net of `napi_adjust_external_memory`. */
  readonly adjustedExternalBytes: number | null
}

/** One reading: all of `memory()`, what addons hold, and when. Bytes; `null` is "cannot be measured". */
export interface Reading extends Memory {
  /** ISO 8601, UTC. */
  readonly at: string
  /** While addons are watched ({@link watchAddons}); otherwise `null`. */
  readonly addons: AddonSummary[] | null
}

interface TriggeredBase {
  kind: 'absolute' | 'percentage' | 'growth'
  /** ISO 8601, UTC. */
  at: string
  /** What is done about it: a snapshot begins, or none is wanted (`'off'`), or a limit forbids it. */
  snapshot: 'started' | 'off' | 'in-progress' | 'cooldown' | 'daily-limit'
  /** The sample. */
  reading: Reading
}

/** A threshold in bytes fired. */
export interface TriggeredBytes extends TriggeredBase {
  metric: Exclude<Metric, 'references'>
  /** The addon it names, `null` for all; `addonExternal` only. */
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
  on (event: 'sample', listener: (reading: Reading) => void): this
  on (event: 'triggered', listener: (event: Triggered) => void): this
  on (event: 'snapshotWritten', listener: (snapshot: SnapshotWritten) => void): this
  on (event: 'snapshotProgress', listener: (progress: WriteProgress) => void): this
  on (event: 'error', listener: (error: OffheapError) => void): this
  once (event: 'sample', listener: (reading: Reading) => void): this
  once (event: 'triggered', listener: (event: Triggered) => void): this
  once (event: 'snapshotWritten', listener: (snapshot: SnapshotWritten) => void): this
  once (event: 'snapshotProgress', listener: (progress: WriteProgress) => void): this
  once (event: 'error', listener: (error: OffheapError) => void): this
  /** Takes one reading now, as the timer does, thresholds and all. About 0.1 ms; no pause, no garbage collection. */
  sample (): Reading
  /** The last readings, oldest first; a copy. */
  history (): Reading[]
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
 * Without options it only samples. With `snapshotAt` it writes a heap snapshot when a threshold is crossed, once per
 * breach, within limits: 30 minutes apart, 6 a day, 5 files and 4 GB in the directory, 256 MB of disk left free.
 * A snapshot pauses the JS thread for one `fork()`, milliseconds, and where there is no probe none is written unless `snapshot.fallback` allows
 * to stop the thread for it; see {@link writeHeapSnapshot}.
 *
 * @throws {ERR_OFFHEAP_METRIC_UNAVAILABLE} a threshold needs what cannot be measured here, such as a percentage of a
 *   cgroup limit where there is none
 * @throws {ERR_OFFHEAP_READ_FAILED} a threshold could not be checked at this moment, because descriptors are short
 * @throws {ERR_OFFHEAP_UNSUPPORTED_PLATFORM} `signal` in a worker thread, which no signal reaches; a threshold about addons
 *   where they cannot be watched
 * @example
 * const { start } = require('offheap')
 * const monitor = start({ snapshotAt: { rss: '80%' }, signal: 'SIGUSR2' })
 * monitor.on('snapshotWritten', ({ path, trigger }) => console.log(path, trigger?.metric))
 */
export function start (options?: StartOptions): Monitor
