import type { support } from './overview.js'

export interface ProbeOptions {
  /** Milliseconds for all attempts together (default: `600000`). A child that takes longer is killed. */
  timeoutMs?: number
  /** Ends the probe: the child is killed, the promise rejects with `ERR_OFFHEAP_ABORTED`. */
  signal?: AbortSignal
}

/**
 * Runs a synchronous function in a copy-on-write child of this process, on the heap as it is at this instant, and
 * resolves with a clone of what it returns.
 *
 * The service stands still for the fork only: a few milliseconds plus 20 to 28 ms per GB of resident memory. No garbage
 * collection is forced. The child runs at nice 10, and is the kernel's first choice when memory runs out.
 *
 * In the child there is this thread and nothing else: no event loop, no other threads, no sockets and no open files of
 * the service. `fn` may read everything that it can reach, and change it, without the service noticing. It may read files and
 * not change them: `fs.writeFileSync` fails with EROFS, a write to a file that the service has open with EBADF. Memory that is
 * shared with other processes and belongs to no file can only be read; a write to it ends the child. What `fn` prints goes
 * nowhere. It may be run again, in another child, when a lock was held by another thread at the fork.
 *
 * - an error that `fn` throws: the promise rejects with an error of the same class, message, stack and own properties
 * - a promise, something that cannot be cloned (docs of `v8.serialize`), `process.exit()` and `process.abort()`: `ERR_OFFHEAP_PROBE_RESULT_REFUSED`
 * - one probe at a time per process, workers included: the second gets `ERR_OFFHEAP_PROBE_IN_PROGRESS`
 *
 * @param fn synchronous; from a worker it sees that worker's heap
 * @throws {ERR_OFFHEAP_UNSUPPORTED_PLATFORM} where {@link support} says that there is no probe
 * @throws {ERR_OFFHEAP_PROBE_FAILED} when the child could not be made; the message names the cause
 * @throws {ERR_OFFHEAP_PROBE_TIMEOUT}
 * @throws {ERR_OFFHEAP_PROBE_CRASHED} when the child died; the message carries the end of what it printed
 * @throws {ERR_OFFHEAP_PROBE_DEADLOCK} when every attempt met a lock of another thread
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
