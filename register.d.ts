import type { AddonWatch, BufferTracking, Monitor } from './index.js'

/**
 * Switches offheap on without a line of code, in the main thread and in each worker: `node -r offheap/register`,
 * `node --import offheap/register`, or either in NODE_OPTIONS. Loaded twice it does nothing more. A wrong value and an unknown variable are
 * process warnings, and are not used; nothing is thrown. When a snapshot has been written, one line on stderr says where it is.
 *
 * - `OFFHEAP_ADDONS`: `1` (default) has every addon's Node-API calls counted from the first one on (`watchAddons()`); `0` does not
 * - `OFFHEAP_TRACK_BUFFERS`: `1` (default) samples Buffers (`trackBuffers()`); `0` does not; a size such as `1MB` is the interval
 * - `OFFHEAP_SNAPSHOT_AT`: thresholds that write a heap snapshot, such as `rss:80%,heapUsed:900MB` (default: none; main thread), each with its unit
 * - `OFFHEAP_SNAPSHOT_SIGNAL`: a signal that writes one, such as `SIGUSR2` or `USR2` (default: none; main thread)
 * - `OFFHEAP_SNAPSHOT_DIR`: where to (default: as for `writeHeapSnapshot()`)
 * @example
 * // OFFHEAP_SNAPSHOT_AT=rss:80% node -r offheap/register server.js
 * const { bufferProfile } = require('offheap')
 * process.on('SIGUSR2', () => console.log(bufferProfile().sites.slice(0, 5)))
 */
declare const registration: {
  /** The Monitor, if the environment asks for one in this thread. */
  readonly monitor: Monitor | null
  /** The watch of addons, in the thread that began it: there is one for the process. */
  readonly addonWatch: AddonWatch | null
  /** The sampling of Buffers, unless it was switched off or failed. */
  readonly bufferTracking: BufferTracking | null
  /** Ends all that was begun; again does nothing. */
  stop (): void
}

export = registration
