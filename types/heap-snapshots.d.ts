import type { OffheapError, Size } from './base.js'
import type { StartOptions } from './monitor.js'
import type { probe } from './probe.js'

/** Where snapshots go and how they are written. */
export interface SnapshotFileOptions {
  /**
   * The directory (default: `.offheap` in the working directory). Made with 0700 when it is missing. A symlink is
   * followed when it belongs to the user of the process or to root.
   */
  directory?: string
  /** Compresses to `.heapsnapshot.gz` (default: `false`), after the pause and off the JS thread. Needs disk for both. */
  gzip?: boolean
  /** Deletes the oldest snapshots of the directory, by their name, beyond this number (default of a Monitor: `5`, else all stay). */
  maxFiles?: number
  /** The same by their size together (default of a Monitor: `'4GB'`, else all stay). The one just written always stays. */
  maxTotalBytes?: Size
  /** Refuses to write when the last one was begun more recently, in ms (default of a Monitor: `1800000`, else `0`). */
  cooldownMs?: number
  /** Refuses to write when less is free on the disk (default: `'256MB'`). */
  minFreeDiskBytes?: Size
  /**
   * `'probe'`: a copy-on-write child writes it, and the JS thread stands still for one `fork()`. `'in-process'`: the JS
   * thread stands still for the whole snapshot. `'auto'`: the child, and with `fallback: true` this process where there can
   * be no child (default: `'auto'`).
   */
  mode?: 'auto' | 'probe' | 'in-process'
  /**
   * With `mode: 'auto'`: stops the JS thread and writes in the process where there can be no child (`support().probe`, fork
   * refused, every child met a lock; default: `false`). Never after `ERR_OFFHEAP_NO_HEADROOM`: the process would need as much.
   */
  fallback?: boolean
  /** Where the child's working memory comes from: memory, a nameless file beside the snapshot, or what has room (default: `'auto'`). */
  scratch?: 'auto' | 'memory' | 'disk'
  /** A child that takes longer is killed, in ms (default: `600000`). */
  timeoutMs?: number
  /**
   * While the child writes, an abort of this process (a full heap, an assertion) waits so long for it, in ms, and gives the file
   * its name before the process dies as it would have (default: `0`; a Monitor's for `heapUsed`: `30000`). For that time a handler for
   * SIGABRT is there, unless somebody else has one; SIGABRT sent from outside, SIGKILL and SIGTERM end the process at once. Main
   * thread only; not with `report: 'only'`.
   */
  delayAbortMs?: number
  /** After an in-process snapshot, gives back what it left behind in malloc (default: `true`). */
  trim?: boolean
  /**
   * Analyses the snapshot as well and writes `….report.json` and `….report.txt` beside it, what `analyzeHeapSnapshot` and
   * `npx offheap analyze` say (default: `false`). With `'only'` the snapshot is deleted then: the report has no strings of yours
   * but those that classes and properties are called by. The analysis runs in a second probe child (one more pause of a `fork()`);
   * without the probe on libuv's pool. A report that fails leaves the snapshot; `reportError` says why.
   */
  report?: boolean | 'only'
}

export interface WriteHeapSnapshotOptions extends SnapshotFileOptions {
  /** The file itself, instead of a directory; one that is there is replaced. Goes with no retention. */
  file?: string
  /** Goes into the file name, made safe, and into the result (default: `'manual'`). At most 200 characters. */
  reason?: string
  /** Ends it: at the next point where this thread may act, nothing is left behind. */
  signal?: AbortSignal
  /**
   * Called as each phase begins, and while the child writes. One that throws is not called again, which is a process warning; the snapshot
   * goes on.
   */
  onProgress?: (progress: WriteProgress) => void
}

export interface WriteProgress {
  /** `'generate'`: V8 builds the graph; `'serialize'`: its text is written; `'report'`: it is analysed. */
  phase: 'prepare' | 'generate' | 'serialize' | 'compress' | 'finish' | 'report'
  /** Bytes in the file so far, where that is known: with the probe, while it serializes. */
  byteLength: number | null
}

export interface HeapSnapshot {
  /** Where it is: a complete file, and on the disk. Mode 0600: it holds every secret of the process. With `report: 'only'`, the JSON report. */
  file: string
  /** The report as JSON and as text; `null` without one. */
  reportFile: string | null
  reportTextFile: string | null
  /** Why there is no report although one was asked for. */
  reportError: OffheapError | null
  /** Its size. */
  byteLength: number
  mode: 'probe' | 'in-process'
  /**
   * For how long the JS thread stood still, in ms. `'probe'`: waiting for V8's helpers, marking its pages, and the fork (the
   * longest, if there were several attempts). `'in-process'`: the sum of two stops.
   */
  pauseMs: number
  /** From the call to the result, in ms. */
  durationMs: number
  /** How many children it took; 1 with `mode: 'in-process'`. */
  attempts: number
  /** The child's peak of resident memory, shared pages included; `null` with `mode: 'in-process'`. */
  childPeakRssBytes: number | null
  /** Where the child's working memory lay; `null` with `mode: 'in-process'`. */
  scratch: 'memory' | 'disk' | null
  /**
   * Whether objects have the same ids as in other snapshots of this thread. `false` for a child's snapshot unless an
   * in-process one came before: only what lived at that time has the same id in both then ({@link StartOptions.baseline}).
   */
  comparableIds: boolean
  compressed: boolean
  reason: string
  /** The files that retention deleted. */
  removed: string[]
}

/**
 * Writes a heap snapshot of this thread, which Chrome DevTools opens (uncompressed).
 *
 * A copy-on-write child writes it (docs/probe.md): the service stands still for one `fork()`, about 5 ms at 50 MB and 10 ms
 * at 200 MB of heap. With `mode: 'in-process'` it **stops the JS thread** for seconds (about 2 s at 24 MB of small objects,
 * 6 to 8 s at 71 MB). Forces a garbage collection (in the child, where there is one), and needs ten times the heap and more
 * as memory while it runs, in memory or on disk (`scratch`); see docs/heap-snapshots.md.
 *
 * - one at a time in a thread: a call for the same destination joins the one that runs, any other is refused
 * - the file has its name only when it is complete; whatever happens, nothing half-written is left
 *
 * @throws {ERR_OFFHEAP_UNSUPPORTED_PLATFORM} there can be no child here, and neither `fallback` nor `'in-process'` was asked for
 * @throws {ERR_OFFHEAP_NO_HEADROOM} there is no room for the child, with the figures
 * @throws {ERR_OFFHEAP_PROBE_FAILED} and `_PROBE_TIMEOUT`, `_PROBE_CRASHED`, `_PROBE_DEADLOCK`: see {@link probe}
 * @throws {ERR_OFFHEAP_SNAPSHOT_WRITE_FAILED} `cause` is the file system's error
 * @throws {ERR_OFFHEAP_SNAPSHOT_PATH_REFUSED} the path is a symlink, a directory, or not a regular file
 * @throws {ERR_OFFHEAP_SNAPSHOT_NO_DISK_SPACE} less than `minFreeDiskBytes` is free, or the disk ran full
 * @throws {ERR_OFFHEAP_SNAPSHOT_TRUNCATED} what was written is not complete
 * @throws {ERR_OFFHEAP_SNAPSHOT_IN_PROGRESS} another one is being written to another destination
 * @throws {ERR_OFFHEAP_SNAPSHOT_COOLDOWN} the last one is less than `cooldownMs` ago
 * @throws {ERR_OFFHEAP_ABORTED} `signal` fired
 * @example
 * const { writeHeapSnapshot } = require('offheap')
 * writeHeapSnapshot({ reason: 'after warm-up' }).then(({ file, byteLength, pauseMs }) => {
 *   console.log(`${file}: ${byteLength} bytes, the service stood still for ${Math.round(pauseMs)} ms`)
 * })
 */
export function writeHeapSnapshot (options?: WriteHeapSnapshotOptions): Promise<HeapSnapshot>
