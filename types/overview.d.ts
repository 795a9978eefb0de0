import type { AddonRow } from './addons.js'
import type { BufferProfile } from './buffers-profile.js'
import type { ExternalAllocations, OwnReferences } from './external.js'
import type { Memory } from './memory.js'

/** Whether a feature works here. */
export interface Capability {
  available: boolean
  /** Why the feature is not available; `null` when it is available. */
  reason: string | null
}

/** What works on this platform and in this process. */
export interface Support {
  /** For example `linux-x64-glibc`. */
  platform: string
  /** `process.version` */
  node: string
  /** `probe()`, and all functions that use a copy-on-write child. */
  probe: Capability
  /** `watchAddons()`, and all functions that count what addons hold. */
  watchAddons: Capability
  /** The cgroup figures of `memory()`. `version` is the cgroup version, or `null` without a memory cgroup. */
  cgroup: Capability & { version: 1 | 2 | null }
  residentBreakdown: Capability
  trim: Capability
  /** References that offheap itself holds in this environment; `null` where there is no addon for the platform. */
  ownReferences: OwnReferences | null
}

/**
 * Says which features work on this platform and in this process, and why the others do not work. Also says what offheap itself holds.
 *
 * Opens some files. No pause, no garbage collection. Throws nothing: where there is no addon for the platform, no feature is available,
 * and each `reason` is the message of `ERR_OFFHEAP_BINDING_LOAD_FAILED`.
 * @example
 * const { support } = require('offheap')
 * const { available, reason } = support().residentBreakdown
 * if (!available) console.log(reason)
 */
export function support (): Support

/** A row of `addons()` without what may have a path of the machine in it. */
export type ReadingAddon = Omit<AddonRow, 'id' | 'file' | 'osThreadId' | 'coverageReason' | 'stacks' | 'growth' | 'collectedSince'>

/**
 * All figures that are cheap to read, read at one moment. It contains numbers, and the labels, route templates and addon names that they
 * belong to. It contains no value of a request and no path of the machine, so it can be served and stored.
 */
export interface Reading {
  /** When the figures were read (ISO 8601, UTC). */
  at: string
  pid: number
  /** The thread that read them; 0 is the main thread. All figures of an isolate are this thread's. */
  threadId: number
  memory: Memory
  /** Tracked external allocations of this thread. */
  externalAllocations: ExternalAllocations
  /** `bufferProfile()` without call sites: those contain paths of the machine. */
  bufferProfile: BufferProfile & { sites: null }
  /** Rows of `addons()` without the paths of files; `null` while addons are not watched. */
  addons: ReadingAddon[] | null
  /** Finished requests by route: route contexts that were settled. At most 1,000 routes are kept apart; the others count as `(other)`. */
  requestCounts: Record<string, number>
  /** References that offheap itself holds. */
  ownReferences: OwnReferences
}

/**
 * Reads all figures of this thread that are cheap to read. `offheap/express` serves them as JSON. An exporter, or the middleware of
 * another framework, can take its figures from here.
 *
 * Costs 0.1 to 0.3 ms: what `memory()` and `externalAllocations()` cost and, while addons are watched, what `addons()` costs. No pause,
 * no garbage collection.
 * @throws {ERR_OFFHEAP_BINDING_LOAD_FAILED} there is no addon for this platform
 * @example
 * const { reading } = require('offheap')
 * setInterval(() => {
 *   const { at, memory, externalAllocations } = reading()
 *   console.log(JSON.stringify({ at, rss: memory.rss, tracked: externalAllocations.liveBytes }))
 * }, 60_000).unref()
 */
export function reading (): Reading
