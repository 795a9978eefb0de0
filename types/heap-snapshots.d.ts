import type { OffheapError, Size } from './base.js'
import type { StartOptions } from './monitor.js'
import type { probe } from './probe.js'

/** Where snapshots are written, and how. */
export interface SnapshotFileOptions {
  /**
   * The directory (default: `.offheap` in the working directory). Created with mode 0700 when it is missing. A symlink is followed only
   * when it belongs to the user of the process or to root.
   */
  directory?: string
  /**
   * Compress to `.heapsnapshot.gz` (default: `false`). It does not lengthen the pause. With `mode: 'in-process'` it needs disk space for the text
   * and for the compressed file.
   */
  gzip?: boolean
  /** The most snapshots that the directory keeps. The oldest beyond this number, by name, are deleted (default: no limit; of a Monitor: `5`). */
  maxFiles?: number
  /** The same limit for their total size (default: no limit; of a Monitor: `'4GB'`). The newest snapshot always stays. */
  maxTotalBytes?: Size
  /** Least time between the beginnings of two snapshots, in ms (default: `0`; of a Monitor: `1800000`). An earlier one is refused. */
  cooldownMs?: number
  /** Least free space on the disk (default: `'256MB'`). With less, the snapshot is refused. */
  minFreeDiskBytes?: Size
  /**
   * Which process writes (default: `'auto'`).
   * - `'probe'`: a copy-on-write child. The JS thread pauses for one `fork()`.
   * - `'in-process'`: this process. The JS thread pauses for the whole snapshot.
   * - `'auto'`: a child. With `fallback: true`, this process where no child is possible.
   */
  mode?: 'auto' | 'probe' | 'in-process'
  /**
   * With `mode: 'auto'`: write in this process, and pause the JS thread, where no child is possible (default: `false`). This is so without
   * `support().probe`, when `fork()` fails, and when every child met a lock. It is never done after `ERR_OFFHEAP_NO_HEADROOM`, because
   * this process would need as much memory.
   */
  fallback?: boolean
  /** Where the child's working memory is: in memory, in a nameless file beside the snapshot, or where there is room (default: `'auto'`). */
  scratch?: 'auto' | 'memory' | 'disk'
  /** Time limit, in ms (default: `600000`). A child that takes longer is killed. */
  timeoutMs?: number
  /**
   * How long an abort of this process (a full heap, an assertion) waits for the child, in ms (default: `0`; of a Monitor's threshold for
   * `heapUsed`: `30000`). The complete file gets its name, and then the process dies as it would have without the wait.
   *
   * While the child writes, offheap has a handler for SIGABRT, unless the process has one already. SIGABRT from another process, SIGKILL
   * and SIGTERM end the process at once. Works in the main thread only, and not with `report: 'only'`.
   */
  delayAbortMs?: number
  /** After an in-process snapshot, give malloc's free memory back to the system (default: `true`). */
  trim?: boolean
  /**
   * Also analyze the snapshot, and write `….report.json` and `….report.txt` beside it (default: `false`). They contain what
   * `analyzeHeapSnapshot()` and `npx offheap analyze` say. With `'only'`, the snapshot is deleted after the analysis. The
   * report contains the text of duplicated strings, so it can contain secrets; its mode is 0600 too.
   *
   * The analysis runs in a second probe child, with one more pause for a `fork()`. Without the probe it runs on libuv's thread pool. When
   * the report fails, the snapshot stays, and `reportError` says why.
   */
  report?: boolean | 'only'
}

export interface WriteHeapSnapshotOptions extends SnapshotFileOptions {
  /** The path of the file, instead of a directory. An existing file is replaced. Not together with `directory`, `maxFiles` or `maxTotalBytes`. */
  file?: string
  /** Part of the file name, with unsafe characters replaced, and of the result (default: `'manual'`). 1 to 200 characters. */
  reason?: string
  /** Ends the snapshot when it aborts, as soon as this thread runs again. No file is left behind. */
  signal?: AbortSignal
  /**
   * Called when a phase begins, and while the child writes. When it throws, it is not called again, a process warning says so, and the
   * snapshot continues.
   */
  onProgress?: (progress: SnapshotWriteProgress) => void
}

export interface SnapshotWriteProgress {
  /** `'generate'`: V8 builds the graph. `'serialize'`: its text is written. `'report'`: the snapshot is analyzed. */
  phase: 'prepare' | 'generate' | 'serialize' | 'compress' | 'finish' | 'report'
  /** Bytes in the file so far; `null` where this is not known. It is known while a probe child serializes. */
  byteLength: number | null
}

export interface HeapSnapshot {
  /**
   * The path of the snapshot: a complete file that is synced to the disk. It contains every secret of the process, so its mode is 0600. With
   * `report: 'only'`, the path of the JSON report.
   */
  file: string
  /** The path of the report as JSON; `null` without a report. */
  reportFile: string | null
  /** The path of the report as text; `null` without a report. */
  reportTextFile: string | null
  /** Why the report failed; `null` when it did not fail, and without a report. */
  reportError: OffheapError | null
  /** The size of `file`. */
  byteLength: number
  mode: 'probe' | 'in-process'
  /**
   * How long the JS thread paused, in ms. `'probe'`: the wait for V8's helper threads, marking of their pages, and the `fork()`; of several
   * attempts the longest. `'in-process'`: the sum of two pauses. A report in a child adds its own pause.
   */
  pauseMs: number
  /** From the call to the result, in ms. */
  durationMs: number
  /** How many children were forked; 1 with `mode: 'in-process'`. */
  attempts: number
  /** The peak of the child's resident memory, with the pages that it shares with this process; `null` with `mode: 'in-process'`. */
  childPeakRssBytes: number | null
  /** Where the child's working memory was; `null` with `mode: 'in-process'`. */
  scratch: 'memory' | 'disk' | null
  /**
   * Whether objects have the same ids as in other snapshots of this thread. For a child's snapshot it is `true` only after an in-process
   * snapshot ({@link StartOptions.baseline}). Objects that were alive then have the same id in both; younger objects do not.
   */
  comparableIds: boolean
  gzip: boolean
  reason: string
  /** The paths of old snapshots and reports that were deleted because of `maxFiles` or `maxTotalBytes`. */
  removed: string[]
}

/**
 * Writes a heap snapshot of this thread. Chrome DevTools opens the file when it is not compressed.
 *
 * - A copy-on-write child writes the file (docs/probe.md). The service pauses for one `fork()`: about 5 ms at 50 MB and 10 ms at 200 MB of
 *   heap. The garbage collection of the snapshot runs in the child.
 * - With `mode: 'in-process'`, the snapshot **pauses the JS thread** for seconds: about 2 s at 24 MB of small objects, 6 to 8 s at 71 MB.
 *   It forces a garbage collection.
 * - While it runs, a snapshot needs ten times the heap and more, in memory or on disk (`scratch`); see docs/heap-snapshots.md.
 * - One snapshot runs at a time in a thread. A call for the same destination joins the running one; any other call is refused.
 * - The file gets its name when it is complete. A snapshot that fails leaves no incomplete file.
 *
 * @throws {ERR_OFFHEAP_UNSUPPORTED_PLATFORM} (rejection) no child is possible here, and neither `fallback` nor `'in-process'` was passed
 * @throws {ERR_OFFHEAP_NO_HEADROOM} (rejection) there is not enough memory for the child; the message has the figures
 * @throws {ERR_OFFHEAP_PROBE_FAILED} {ERR_OFFHEAP_PROBE_TIMEOUT} {ERR_OFFHEAP_PROBE_CRASHED} {ERR_OFFHEAP_PROBE_DEADLOCK} (rejection) as
 *   for {@link probe}
 * @throws {ERR_OFFHEAP_SNAPSHOT_WRITE_FAILED} (rejection) the file system failed; `cause` is its error
 * @throws {ERR_OFFHEAP_SNAPSHOT_PATH_REFUSED} (rejection) the file is a symlink, a directory, or not a regular file; or the directory is a
 *   symlink of another user
 * @throws {ERR_OFFHEAP_SNAPSHOT_NO_DISK_SPACE} (rejection) less than `minFreeDiskBytes` is free, or the disk ran full
 * @throws {ERR_OFFHEAP_SNAPSHOT_TRUNCATED} (rejection) the written file is not complete; it was removed
 * @throws {ERR_OFFHEAP_SNAPSHOT_IN_PROGRESS} (rejection) this thread writes another snapshot, to another destination
 * @throws {ERR_OFFHEAP_SNAPSHOT_COOLDOWN} (rejection) the last snapshot began less than `cooldownMs` ago
 * @throws {ERR_OFFHEAP_ABORTED} (rejection) `signal` aborted
 * @throws {ERR_OFFHEAP_BINDING_LOAD_FAILED} (rejection) there is no addon for this platform
 * @throws {ERR_INVALID_ARG_TYPE} {ERR_INVALID_ARG_VALUE} {ERR_OUT_OF_RANGE} (rejection) an option is wrong
 * @example
 * const { writeHeapSnapshot } = require('offheap')
 * writeHeapSnapshot({ reason: 'after warm-up' }).then(({ file, byteLength, pauseMs }) => {
 *   console.log(`${file}: ${byteLength} bytes, the service stood still for ${Math.round(pauseMs)} ms`)
 * })
 */
export function writeHeapSnapshot (options?: WriteHeapSnapshotOptions): Promise<HeapSnapshot>
