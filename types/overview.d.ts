import type { AddonRow } from './addons.js'
import type { BufferProfile } from './buffers-profile.js'
import type { ExternalAllocations, OwnReferences } from './external.js'
import type { Memory } from './memory.js'

/** Whether something works here. */
export interface Capability {
  available: boolean
  /** Why not; `null` when available. */
  reason: string | null
}

/** What works on this platform and in this process. */
export interface Support {
  /** For example `linux-x64-glibc`. */
  platform: string
  /** `process.version` */
  node: string
  probe: Capability
  /** `watchAddons()`, and all that counts what addons hold. */
  watchAddons: Capability
  cgroup: Capability & { version: 1 | 2 | null }
  residentBreakdown: Capability
  trim: Capability
  /** What offheap itself holds in this environment; `null` where there is no addon for the platform. */
  ownReferences: OwnReferences | null
}

/**
 * Says what works on this platform and in this process, why the rest does not, and what offheap itself holds. Opens some files; no pause. Where there is no addon for the
 * platform nothing does, for the reason that `ERR_OFFHEAP_BINDING_LOAD_FAILED` has.
 * @example
 * const { support } = require('offheap')
 * const { available, reason } = support().residentBreakdown
 * if (!available) console.log(reason)
 */
export function support (): Support

/**
 * One reading of all that is cheap to read. Numbers, and the labels, route templates and names of addons that they belong to: nothing of any request, no
 * path of the machine, so it can be served and stored.
 */
export interface Reading {
  /** When (ISO 8601, UTC). */
  at: string
  pid: number
  /** 0 is the main thread. All figures of an isolate are those of this thread. */
  threadId: number
  memory: Memory
  /** Tracked external allocations of this thread. */
  externalAllocations: ExternalAllocations
  /** What `bufferProfile()` says by route, without call sites: those have paths of the machine. */
  bufferProfile: BufferProfile & { sites: null }
  /** What each addon holds, while addons are watched; otherwise `null`. Rows of `addons()` without the paths of files. */
  addons: Array<Omit<AddonRow, 'id' | 'file' | 'osThreadId' | 'coverageReason' | 'stacks' | 'growth' | 'collectedSince'>> | null
  /** Requests that are over, by route: route contexts that are settled. At most 1,000 routes are kept apart, the rest is `(other)`. */
  requestCounts: Record<string, number>
  /** What offheap itself holds. */
  ownReferences: OwnReferences
}

/**
 * Reads all that is cheap to read in this thread: what `offheap/express` serves as JSON, and what an exporter or another framework takes its
 * figures from. Costs what `memory()` and `externalAllocations()` do, and while addons are watched what `addons()` does: 0.1 to 0.3 ms; no
 * pause, no garbage collection.
 * @throws {ERR_OFFHEAP_BINDING_LOAD_FAILED} where there is no addon for the platform
 * @example
 * const { reading } = require('offheap')
 * setInterval(() => {
 *   const { at, memory, externalAllocations } = reading()
 *   console.log(JSON.stringify({ at, rss: memory.rss, tracked: externalAllocations.liveBytes }))
 * }, 60_000).unref()
 */
export function reading (): Reading
