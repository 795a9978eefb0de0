import type { OwnReferences } from './external.js'

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
