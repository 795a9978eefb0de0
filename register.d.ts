import type { AddonWatch, BufferTracking, Monitor } from './index.js'

/**
 * Switches offheap on without a change of the program, in the main thread and in each worker. Use `node -r offheap/register`,
 * `node --import offheap/register`, or either of them in NODE_OPTIONS. A second load does nothing.
 *
 * It throws nothing. A wrong value or an unknown variable is not used, and a process warning says so. After each snapshot, one line on stderr
 * names its file.
 *
 * - `OFFHEAP_ADDONS`: `1` counts every addon's Node-API calls from the first one on (`watchAddons()`); `0` does not (default: `1`)
 * - `OFFHEAP_TRACK_BUFFERS`: `1` samples Buffers (`trackBuffers()`); `0` does not; a size such as `1MB` is the sample interval (default: `1`)
 * - `OFFHEAP_SNAPSHOT_AT`: thresholds that write a heap snapshot, such as `rss:80%,heapUsed:900MB` (default: none). Each limit needs a unit,
 *   except that of `references`. Main thread only.
 * - `OFFHEAP_SNAPSHOT_SIGNAL`: a signal that writes a heap snapshot, such as `SIGUSR2` or `USR2` (default: none). Main thread only.
 * - `OFFHEAP_SNAPSHOT_DIR`: the directory of these snapshots (default: as for `writeHeapSnapshot()`)
 *
 * Costs what `watchAddons()`, `trackBuffers()` and `start()` cost.
 * @example
 * // OFFHEAP_SNAPSHOT_AT=rss:80% node -r offheap/register server.js
 * const { bufferProfile } = require('offheap')
 * process.on('SIGUSR2', () => console.log(bufferProfile().sites.slice(0, 5)))
 */
declare const registration: {
  /** The Monitor; `null` when the environment requests none, and in workers. */
  readonly monitor: Monitor | null
  /** The watch of addons. The thread that began it has it; the watch counts for the whole process. `null` in other threads. */
  readonly addonWatch: AddonWatch | null
  /** The sampling of Buffers; `null` when it is switched off or failed. */
  readonly bufferTracking: BufferTracking | null
  /** Ends all that this thread began; a second call does nothing. */
  stop (): void
}

export = registration
