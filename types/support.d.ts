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
  /** Whether addons can be watched. */
  interposition: Capability
  cgroup: Capability & { version: 1 | 2 | null }
  residentBreakdown: Capability
  trim: Capability
}

/**
 * Says what works on this platform and in this process, and why the rest does not. Opens some files; no pause. Where there is no addon for the
 * platform nothing does, for the reason that `ERR_OFFHEAP_BINDING_LOAD_FAILED` has.
 * @example
 * const { support } = require('offheap')
 * const { available, reason } = support().residentBreakdown
 * if (!available) console.log(reason)
 */
export function support (): Support
