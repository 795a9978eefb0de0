import type { support } from './overview.js'

export interface ProbeOptions {
  /** Time limit for all attempts together, in ms (default: `600000`). A child that takes longer is killed. */
  timeoutMs?: number
  /** Kills the child when it aborts. The promise then rejects with `ERR_OFFHEAP_ABORTED`. */
  signal?: AbortSignal
}

/**
 * Runs a synchronous function in a copy-on-write child of this process. The function sees the heap as it is at this instant. The
 * promise resolves with a clone of the function's result.
 *
 * The service pauses for the `fork()` only: a few milliseconds, plus 20 to 28 ms per GB of resident memory. No garbage collection is
 * forced. The child runs at nice 10. When memory runs out, the kernel kills the child first.
 *
 * The child has this thread and no other. It has no event loop, and none of the service's sockets or open files.
 * - `fn` may read and change every object that it can reach. The service does not see the changes.
 * - `fn` may read files. It cannot change them: `fs.writeFileSync` fails with EROFS, a write to a file that the service has open fails
 *   with EBADF.
 * - Shared memory that belongs to no file can only be read. A write to it ends the child.
 * - What `fn` prints is discarded.
 * - `fn` may run again, in another child, when another thread held a lock at the fork.
 *
 * When `fn` throws, the promise rejects with an error of the same class, message, stack and own properties.
 *
 * @param fn synchronous. Called in a worker, it sees that worker's heap.
 * @throws {ERR_OFFHEAP_UNSUPPORTED_PLATFORM} (rejection) the probe does not work here, see {@link support}
 * @throws {ERR_OFFHEAP_PROBE_IN_PROGRESS} (rejection) another probe is running in this process. The limit of one includes workers.
 * @throws {ERR_OFFHEAP_PROBE_FAILED} (rejection) the child could not be forked; the message names the cause
 * @throws {ERR_OFFHEAP_PROBE_TIMEOUT} (rejection) the attempts took longer than `timeoutMs`
 * @throws {ERR_OFFHEAP_PROBE_CRASHED} (rejection) the child died; the message has the end of its output
 * @throws {ERR_OFFHEAP_PROBE_DEADLOCK} (rejection) in every attempt, the child met a lock of another thread
 * @throws {ERR_OFFHEAP_PROBE_RESULT_REFUSED} (rejection) `fn` returned a promise or a value that `v8.serialize()` cannot clone, or called
 *   `process.exit()` or `process.abort()`
 * @throws {ERR_OFFHEAP_NO_HEADROOM} (rejection) the child needed more memory than is available
 * @throws {ERR_OFFHEAP_ABORTED} (rejection) `signal` aborted
 * @throws {ERR_OFFHEAP_BINDING_LOAD_FAILED} (rejection) there is no addon for this platform
 * @throws {ERR_INVALID_ARG_TYPE} {ERR_INVALID_ARG_VALUE} {ERR_OUT_OF_RANGE} (rejection) an argument is wrong
 *
 * @example
 * import v8 from 'node:v8'
 * import { probe } from 'offheap'
 *
 * class Session {}
 * // Walks the whole heap, which would stop the service for seconds.
 * const sessionCount = await probe(() => v8.queryObjects(Session, { format: 'count' }))
 * console.log(sessionCount)
 */
export function probe<T> (fn: () => T, options?: ProbeOptions): Promise<T>
