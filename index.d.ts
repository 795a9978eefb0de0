import { EventEmitter } from 'node:events'

/** An error with one of offheap's own permanent codes (`ERR_OFFHEAP_…`, docs/errors.md). */
export class OffheapError extends Error {
  constructor (code: string, message: string, cause?: unknown)
  readonly name: string
  /** Permanent; the message may change. */
  readonly code: string
  /** Of a probe that failed in every attempt: how many there were. */
  readonly attempts?: number
}

export interface TrackOptions {
  /**
   * What to count the value under: 1 to 256 characters (default: `'(unlabelled)'`). A process keeps 4,096 labels apart; later
   * ones are counted together as `'(other)'`, and `labelsFolded` says so.
   */
  label?: string
  /** Bytes that the value stands for (default: its own `byteLength`). Required for a value that is no buffer. */
  byteLength?: Size
}

/**
 * Counts a value as an external allocation until it is garbage-collected, and returns it. Keeps nothing alive.
 *
 * - A value counts once. Tracking it again gives it the new label and byteLength, if any are given.
 * - Its release is counted after the collection that frees it, in a later turn of the event loop.
 * - It counts in the environment (main thread or worker) that tracks it, and in the process. What is live when a worker ends
 *   leaves the live counts with it.
 * - Inside a route context (`offheap/express`) it is counted under the route as well.
 * - Where there is no addon for the platform it returns the value and counts nothing: a request does not fail for it. `support()` says why.
 *
 * Costs about as much as `FinalizationRegistry.prototype.register` for a Buffer or another view, twice that for a plain object or an
 * ArrayBuffer, and several times that for a view of up to 64 bytes at the start of its ArrayBuffer (docs/external.md). No pause, no
 * garbage collection.
 * @param value Buffer, TypedArray, DataView, ArrayBuffer, SharedArrayBuffer, or any object together with `byteLength`
 * @throws {ERR_INVALID_ARG_TYPE} if `value` is no object, or has no byteLength and none is given
 * @throws {ERR_OUT_OF_RANGE} if `byteLength` is negative or no safe integer, or the label is too long
 * @throws {ERR_INVALID_ARG_VALUE} if the label is empty or an option is unknown
 * @example
 * const { track, externalAllocations } = require('offheap')
 * const image = track(Buffer.alloc(1_000_000), { label: 'images' })
 * console.log(externalAllocations().labels.images.liveBytes, image.length) // 1000000 1000000
 */
export function track<T extends object> (value: T, options?: TrackOptions): T

/**
 * Stops counting a value at once; its bytes leave the live counts and stay in the totals. Memory from `allocExternal` is still
 * freed when it is collected.
 * @returns whether the value was counted
 * @throws {ERR_INVALID_ARG_TYPE} if `value` is no object
 * @example
 * const { track, untrack } = require('offheap')
 * const buffer = track(Buffer.alloc(1_000))
 * console.log(untrack(buffer), untrack(buffer)) // true false
 */
export function untrack (value: object): boolean

/**
 * Allocates zeroed native memory that offheap owns and hands it out as an external Buffer, counted until the memory is freed:
 * when the Buffer and every view made of it are collected. V8 knows of the bytes (`process.memoryUsage().external`), exactly once;
 * they are not in `arrayBuffers`.
 *
 * Pages that are never written take no physical memory. Where the engine refuses external buffers (Electron), the Buffer is
 * an ordinary one, counted in the same way.
 * @param byteLength 0 to `buffer.constants.MAX_LENGTH`; a number, or a string such as `'64MiB'`
 * @throws {ERR_INVALID_ARG_TYPE} if `byteLength` is neither
 * @throws {ERR_INVALID_ARG_VALUE} if the string is no size, the label is empty or an option is unknown
 * @throws {ERR_OUT_OF_RANGE} if `byteLength` is not in that range, or the label is too long
 * @throws {ERR_OFFHEAP_OUT_OF_MEMORY} if the memory cannot be had; nothing is allocated or counted then
 * @example
 * const { allocExternal } = require('offheap')
 * const frame = allocExternal(1920 * 1080 * 4, { label: 'frames' })
 * console.log(frame.length) // 8294400
 */
export function allocExternal (byteLength: Size, options?: { label?: string }): Buffer

/** How much there is now, ever was, and was at most. Bytes and counts. */
export interface Tally {
  /** Bytes now. */
  liveBytes: number
  /** Values now. */
  liveCount: number
  /** Bytes ever since the start. */
  totalBytes: number
  /** Values ever since the start. */
  totalCount: number
  /** The highest `liveBytes` there was. */
  peakBytes: number
  /** The highest `liveCount` there was, not necessarily at the same moment. */
  peakCount: number
}

/** A reading of the tracked external allocations. Labels add up to the whole, and so do routes. */
export interface ExternalAllocations extends Tally {
  /** By label; what was tracked without one is under `'(unlabelled)'`. */
  labels: Record<string, Tally>
  /** By the route that was being served; what was tracked outside of any is under `'(no route)'`. */
  routes: Record<string, Tally>
  /** Whether there were more labels than are kept apart (4,096); the rest is under `'(other)'`. */
  labelsFolded: boolean
  /** Whether there were more routes than are kept apart (1,024); the rest is under `'(other)'`. */
  routesFolded: boolean
}

/**
 * Reads the tallies of the tracked external allocations. Costs some microseconds and about one more per label; no pause, no
 * garbage collection.
 * @param options.scope this thread's environment, or the whole process with its ended workers (default: `'environment'`)
 * @throws {ERR_INVALID_ARG_VALUE} if the scope is another word or an option is unknown
 * @example
 * const { allocExternal, externalAllocations } = require('offheap')
 * const held = allocExternal(4_096, { label: 'pages' })
 * console.log(externalAllocations({ scope: 'process' }).labels.pages.liveCount, held.length) // 1 4096
 */
export function externalAllocations (options?: { scope?: 'environment' | 'process' }): ExternalAllocations

/** The napi references that offheap holds in this environment. */
export interface OwnReferences {
  /** References now. */
  liveCount: number
  /** Those that keep their object alive; none of them refers to a value of yours. */
  strongReferenceCount: number
  /** Those that do not: one for each tracked value, for each live sample of a Buffer, and for each slab that is watched. */
  weakReferenceCount: number
  /** References ever created. */
  totalCount: number
}

/**
 * Reads how many napi references offheap itself holds in this environment; each is 32 bytes of V8's global handles.
 * Costs a microsecond.
 * @example
 * const { ownReferences } = require('offheap')
 * console.log(ownReferences().weakReferenceCount) // 0, as long as nothing is tracked
 */
export function ownReferences (): OwnReferences

/** See `createRouteContext`. */
export interface RouteContext {
  /** Runs `fn` inside the context, together with everything it starts and awaits; returns what it returns. */
  run<T, A extends unknown[]> (fn: (...args: A) => T, ...args: A): T
  /**
   * Call it when the route is known for certain or the work is over: what was counted before that is moved under the route,
   * which stays what it is then. The function that told it is released, with all that it holds.
   */
  settle (): void
}

/**
 * Makes a context under whose route everything is counted that is tracked inside. For frameworks that offheap has no
 * middleware for; `offheap/express` uses it.
 *
 * The first context switches an AsyncLocalStorage on, which costs some per cent of throughput on Node 20 and 22 (docs/express.md).
 * @param route the route's template (`'GET /items/:id'`, never the raw URL), or a function that returns it, or `undefined` as long
 * as it is not known. The function is asked on every `track()` inside until `settle()`. What it throws is ignored. Templates over 256 characters are cut.
 * @throws {ERR_INVALID_ARG_TYPE} if `route` is neither
 * @throws {ERR_INVALID_ARG_VALUE} if it is an empty string
 * @throws {ERR_OUT_OF_RANGE} if it is a string of more than 256 characters
 * @example
 * const { createRouteContext, externalAllocations, track } = require('offheap')
 * const context = createRouteContext('job resize')
 * const held = context.run(() => track(Buffer.alloc(1_000)))
 * console.log(externalAllocations().routes['job resize'].liveBytes, held.length) // 1000 1000
 */
export function createRouteContext (route: string | (() => string | undefined)): RouteContext

/**
 * One cheap reading of this isolate and the process around it, in bytes. What cannot be measured is `null`, never 0.
 * docs/memory.md says how the figures overlap.
 */
export interface Memory {
  /** Process: the resident set, everything of the process that is in physical memory, shared pages included. */
  rss: number | null
  /** Process: its part without a file behind it (heaps, Buffers, stacks). Linux. */
  rssAnonBytes: number | null
  /** Process: its part from mapped files, the Node binary among them. Linux. */
  rssFileBytes: number | null
  /** Process: its part in shared memory and tmpfs. Linux. */
  rssShmemBytes: number | null
  /** Isolate: V8 heap, committed. */
  heapTotal: number
  /** Isolate: V8 heap, in use. */
  heapUsed: number
  /**
   * Isolate: V8's limit on its heap, with three times the largest young generation in it. V8 gives up before, when the old generation is as large as
   * `--max-old-space-size`, or a worker's `resourceLimits`, allows.
   */
  heapLimit: number
  /** Isolate: bytes outside the heap that V8 has objects for: ArrayBuffers, addons' external Buffers, large strings. Leaves out what addons declare. */
  external: number
  /**
   * Isolate: memory of Node's ArrayBuffer allocator: ArrayBuffers, Buffers, SharedArrayBuffers, and what is held natively (by a `Blob`, by a
   * message under way) without any object. `census()` says how much the last is.
   */
  arrayBuffers: number | null
  /**
   * Isolate: `external` less `arrayBuffers`: addons' external Buffers, strings outside the heap, resizable ArrayBuffers.
   * SharedArrayBuffers and what is held natively are in `arrayBuffers` and not in `external`, so it is too low by those, and `null`
   * when they outweigh the rest.
   */
  otherExternalBytes: number | null
  /**
   * Isolate: V8's own external counter: what `external` has, Node's own sources left out (1.5 to 4.5 MB), and all that was declared
   * (`napi_adjust_external_memory`, Node's zlib). On Node 20 and 22 it counts growth of WebAssembly memory twice, and keeps it for good (docs/memory.md).
   */
  declaredExternalBytes: number
  /** Isolate: live bytes of tracked external allocations. */
  trackedExternalBytes: number
  /** Isolate: V8's global handles; each live `napi_ref` of any addon is 32 bytes of it. */
  globalHandlesBytes: number
  /** The smallest memory limit of this process's cgroup and its ancestors; `null` when there is none. Linux. */
  cgroupLimitBytes: number | null
  /**
   * What the cgroup with that limit uses, other processes and file cache included; without a limit, this process's own
   * cgroup. `null` when the limit is set on a cgroup that cannot be seen from here.
   */
  cgroupUsageBytes: number | null
  /** The same less the file cache that the kernel would drop first; what Kubernetes calls working set. */
  cgroupWorkingSetBytes: number | null
  /** Which cgroup version accounts for this process's memory. */
  cgroupVersion: 1 | 2 | null
  /** The machine's memory. Linux. */
  machineTotalBytes: number | null
  /** What of it could be had without swapping. Linux. */
  machineAvailableBytes: number | null
  /** The smaller one of `cgroupLimitBytes` and `machineTotalBytes`. */
  containerTotalBytes: number | null
}

/**
 * Reads Node's memory figures and those that Node lacks, for this isolate (main thread or worker) and its process.
 * Costs about 0.1 ms on this thread (some small files of `/proc` and the cgroup); no pause, no garbage collection.
 * @example
 * const { memory } = require('offheap')
 * const { rss, containerTotalBytes } = memory()
 * if (rss !== null && containerTotalBytes !== null) console.log(`${Math.round(100 * rss / containerTotalBytes)} % of what there is`)
 */
export function memory (): Memory

export interface ResidentBreakdownOptions {
  /**
   * Ask malloc how much of its memory is in use and how much is free but held (default: `true`).
   * malloc counts with its arena locked: 290 to 780 ms with 1.5 million free blocks, in which every thread that allocates waits.
   * With `false` nothing waits, and malloc's memory stands in `mallocUndividedBytes`.
   */
  malloc?: boolean
}

/** Where the resident set is. All rows up to `unexplainedBytes` add up to `rss`, exactly. Bytes; `null` is "cannot be measured". */
export interface ResidentBreakdown {
  /** The resident set, as the sum of all mappings. */
  rss: number
  /** Process: pages that V8 mapped: heaps and code of all isolates, resizable ArrayBuffers. */
  v8HeapBytes: number
  /** Process: WebAssembly memories. */
  webAssemblyBytes: number
  /** Isolate: resident part of ArrayBuffers, Buffers and SharedArrayBuffers that Node allocated. */
  arrayBuffersBytes: number
  /**
   * Process: in use by malloc beyond the row above, at most. What addons and zlib declare, large strings and Buffers of other isolates are
   * here, unless another allocator has them. `null` without glibc ≥ 2.33, with `malloc: false`, and where ArrayBuffers, many of them
   * untouched, claim all that malloc has resident and more.
   */
  mallocInUseBytes: number | null
  /**
   * Process: free, resident, and held by malloc, at least; `mallocFreeAtMostBytes` is the most it can be. `trim()` gives it back. `null`
   * without glibc ≥ 2.33, and with `malloc: false`.
   */
  mallocFreeBytes: number | null
  /** Process: malloc's beyond the rows above, in use or free; `null` when it is divided into the two rows before. */
  mallocUndividedBytes: number | null
  /** Process: stacks of threads. A thread that is running just then may be missed (then: `unexplainedBytes`). */
  threadStacksBytes: number
  /** Process: mapped files, binaries and libraries with the pages they changed. */
  fileMappingsBytes: number
  /** Process: shared memory. */
  sharedMemoryBytes: number
  /** Process: anonymous memory known to be none of these: libraries' zeroed data, mappings with a name. */
  otherAnonymousBytes: number
  /** Process: anonymous memory that nobody accounts for: allocators that addons bring along, mappings of their own. Never negative. */
  unexplainedBytes: number
  /**
   * Beside the rows, isolate: what it was told of other external memory: addons' external Buffers, strings, what was declared. Not measured: it lies in
   * `mallocInUseBytes`, in `unexplainedBytes`, or is not resident. `null` where SharedArrayBuffers and what is held natively outweigh it.
   */
  otherExternalBytes: number | null
  /** Beside the rows: the most that `mallocFreeBytes` can be. `null` with it. */
  mallocFreeAtMostBytes: number | null
  /** Beside the rows: large blocks given out by malloc and not in memory: never touched, or swapped out. */
  notResidentBytes: number | null
  /** Beside the rows: in swap. */
  swappedBytes: number
  /** The largest regions behind `unexplainedBytes`, largest first, at most five; `name` is the address range. */
  largest: Array<{ bytes: number, name: string }>
}

/**
 * Says where the resident set is. Reads `/proc/self/smaps` and malloc's counters on another thread:
 * 9 to 35 ms at 0.2 GB, 60 to 150 ms at 1.5 GB in 3,500 mappings. This thread may wait for memory meanwhile: up to 7 and 24 ms
 * in the same runs, much longer when malloc holds a million free blocks (see `options.malloc`). No garbage collection is forced.
 * @throws {TypeError} `ERR_INVALID_ARG_TYPE`, `ERR_INVALID_ARG_VALUE` for wrong options
 * @throws {OffheapError} `ERR_OFFHEAP_UNSUPPORTED_PLATFORM` (rejection) where `support().residentBreakdown` is not available;
 *   `ERR_OFFHEAP_READ_FAILED` (rejection) where `smaps` could not be read at this moment, because descriptors or memory are short
 * @example
 * const { residentBreakdown } = require('offheap')
 * residentBreakdown().then(({ rss, mallocFreeBytes }) => {
 *   console.log(`malloc holds ${mallocFreeBytes} free bytes of ${rss}`)
 * })
 */
export function residentBreakdown (options?: ResidentBreakdownOptions): Promise<ResidentBreakdown>

/** What `trim()` brought. Both are `null` where `support().trim` is not available. */
export interface TrimResult {
  /** Resident bytes before less resident bytes after, never negative. */
  releasedBytes: number | null
  /** How long malloc was busy, in milliseconds. */
  durationMs: number | null
}

/**
 * Gives free memory that malloc holds back to the system (`malloc_trim(0)`), on another thread.
 * Takes about 0.1 to 0.2 ms per MB given back. malloc locks the arena it works on: plan on this thread standing still for most of
 * that time once it allocates. No garbage collection is forced: what JavaScript still holds is not free.
 * @example
 * const { trim } = require('offheap')
 * trim().then(({ releasedBytes }) => console.log(`${releasedBytes} bytes went back`))
 */
export function trim (): Promise<TrimResult>

export interface ProbeOptions {
  /** Milliseconds for all attempts together (default: `60000`). A child that takes longer is killed. */
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

/** How many there are, and ever were. `null`: nothing was counted. */
export interface AddonThings {
  /** Things now. */
  liveCount: number | null
  /** Things ever, since watching began. */
  totalCount: number | null
}

/** How many there are, and ever were, with their bytes. */
export interface AddonBytes extends AddonThings {
  /** Bytes now. */
  liveBytes: number | null
  /** Bytes ever, since watching began. */
  totalBytes: number | null
}

/** The `napi_ref`s of one addon. */
export interface AddonReferences {
  /** References that were created and not deleted. */
  liveCount: number | null
  /** Of them, those with a count above 0: they keep their object alive. */
  strongCount: number | null
  /** Of them, those with a count of 0. */
  weakCount: number | null
  /**
   * Of the weak ones, those whose object was collected: the addon has yet to delete them. Those of another thread are as that
   * thread last read them; beyond some thousand weak references they are found over several readings.
   */
  outlivedCount: number | null
  /** References ever created. */
  totalCount: number | null
  /** References ever deleted. */
  deletedCount: number | null
  /** The counts of all live references, added up. */
  countSum: number | null
  /** The highest count that a single reference ever had. */
  highestCount: number | null
}

/**
 * What one addon holds more than it did; negative is less. Most of its figures are 0 most of the time: docs/references.md has a loop that
 * prints those which are not, a line for each addon. `AddonTally.collectedSince` says whether garbage may be among it.
 */
export interface AddonGrowth {
  /** Live references. */
  references: number
  /** Live wraps. */
  wraps: number
  /** Live externals. */
  externals: number
  /** Live bytes of external ArrayBuffers, Buffers and strings. */
  externalBytes: number
  /** `adjustedExternalBytes`. */
  adjustedExternalBytes: number
  /** Finalizers that have yet to run. */
  finalizersPending: number
  /** Live thread-safe functions. */
  threadsafeFunctions: number
  /** Unsettled deferreds. */
  deferreds: number
  /** Live async works. */
  asyncWorks: number
  /** Live asynchronous cleanup hooks. */
  asyncCleanupHooks: number
}

/**
 * What one addon holds through Node-API in one thread. Figures are `null` where nothing was counted (`coverage: 'none'`), never a
 * made-up 0. docs/references.md says what each means.
 */
export interface AddonTally {
  /** The number of this environment; no other has it, now or later. `null` for an addon that has called nothing yet. */
  id: number | null
  /** The addon's file. */
  file: string
  /** The package that the file is in, without the platform (`'@img/sharp'`); or the name of the file. */
  name: string
  /** The thread; 0 is the main thread. `null` when unknown: in a worker that did not load offheap. */
  threadId: number | null
  /** The system's number of the thread. */
  osThreadId: number | null
  /** When it was loaded, as an ISO date; `null` when that was before watching began. */
  loadedAt: string | null
  /** What it is written against. Of V8's C++ API nothing can be counted. */
  api: 'node-api' | 'v8'
  /** Whether all was seen since it was loaded, some of it, or nothing. */
  coverage: 'full' | 'partial' | 'none'
  /** Why it is not `'full'`. */
  coverageReason: string | null
  references: AddonReferences
  /** `napi_wrap`: objects with native ones behind them. */
  wraps: AddonThings
  /** `napi_create_external`. */
  externals: AddonThings
  /** `napi_create_external_arraybuffer`. */
  externalArrayBuffers: AddonBytes
  /** `napi_create_external_buffer`. */
  externalBuffers: AddonBytes
  /** `node_api_create_external_string_latin1` and `_utf16`. */
  externalStrings: AddonBytes
  /** `node_api_create_external_sharedarraybuffer`, on Node lines that have it: until the last thread has given it up */
  externalSharedArrayBuffers: AddonBytes
  /** `napi_create_buffer` and `_copy`: memory of Node's. What is live is `null` unless watched with `buffers: true`. */
  buffers: AddonBytes
  /** `napi_create_arraybuffer`: memory of Node's. What is live is `null` unless watched with `buffers: true`. */
  arrayBuffers: AddonBytes
  /** Finalizers of the addon's that have yet to run. */
  finalizersPending: number | null
  /** Bytes declared with `napi_adjust_external_memory`, less those taken back. */
  adjustedExternalBytes: number | null
  /** The lowest that `adjustedExternalBytes` ever was; below 0 it has taken back more than it declared. */
  lowestAdjustedExternalBytes: number | null
  /** Thread-safe functions that some thread holds. */
  threadsafeFunctions: AddonThings
  /** Promises that the addon made; an unsettled one keeps everything that awaits it. */
  deferreds: { unsettledCount: number | null, totalCount: number | null }
  /** `napi_create_async_work`; live until deleted. */
  asyncWorks: AddonThings
  /** `napi_add_async_cleanup_hook`; live until removed. */
  asyncCleanupHooks: AddonThings
  /** Whether the addon has set instance data. */
  instanceData: boolean | null
  /**
   * With `watchAddons({ stacks })`: the places where sampled things were made, those with most live ones first, up to 20. `null` for
   * other threads than the one that asks.
   */
  stacks?: AddonSite[] | null
  /** With `since`: what it holds more than then; `null` where nothing was counted. */
  growth?: AddonGrowth | null
  /**
   * With `since`: whether V8 has done a full garbage collection of this thread since then. `false`: `growth` may be garbage, all of it. `true`: what
   * was garbage at `since` is gone, or its finalizers are due in this turn or the next; what became garbage after that collection is
   * still in `growth`. `settledAddons()` reads right after one. `null`: the row is another thread's, or `since` is a copy of a reading.
   */
  collectedSince?: boolean | null
}

/** A place in an addon where sampled things were made. */
export interface AddonSite {
  /** What was made: a reference of `napi_create_reference`, or the thing that another function made. */
  kind: 'reference' | 'wrap' | 'external' | 'externalArrayBuffer' | 'externalBuffer' | 'buffer' | 'arrayBuffer' | 'finalizer'
  /** Sampled things that are live; times `everyNth`, roughly what there is. */
  liveCount: number
  /** Sampled things ever. */
  totalCount: number
  /** The native functions, innermost first. They end where JavaScript begins. */
  frames: AddonFrame[]
}

/** A native function on a stack. */
export interface AddonFrame {
  /** The file that it is in. */
  file: string | null
  /** Its name, as the file exports it (C++ and Rust names are mangled); `null` when it does not. */
  symbol: string | null
  /** Bytes into the function; without a name, into the file as it is loaded (for `addr2line -e`). */
  offset: number
}

export interface WatchAddonsOptions {
  /**
   * Look for the end of Buffers and ArrayBuffers that Node allocates for addons, so that it is known how many are live (default:
   * `false`, which counts their totals only). Node gives each a finalizer then: some 300 ns for each, where
   * `napi_create_buffer` itself takes 500 or more.
   */
  buffers?: boolean
  /**
   * Note where things are made, so that what grows names a function (default: `false`). One in `everyNth` of each thread's and
   * addon's is sampled, 1 to 1,000,000 (default: `100`), beginning with the first; each costs 1 to 10 microseconds.
   */
  stacks?: boolean | { everyNth?: number }
}

/** A watch of all addons, see `watchAddons`. */
export interface AddonWatch {
  /** Whether it has not been stopped. */
  readonly active: boolean
  /** Ends this watch. With the last one, every import slot that still holds a hook gets back what it held. Twice is once. */
  stop (): void
  /** The same as `stop()`, for `using`; where the runtime has `Symbol.dispose`. */
  [Symbol.dispose] (): void
}

/**
 * Starts counting what every native addon holds through Node-API, in all threads: patches the import slots of the addons that
 * are loaded, and of each that is loaded from now on (docs/interposition.md). `require('offheap')` alone patches nothing.
 *
 * - Call it before the addons are loaded: of those that are there already, only what happens from now on is counted.
 * - Several watches are one; the last to stop ends it. What a worker watches ends with the worker.
 *
 * Costs some milliseconds once, about as much for each addon that is loaded, and some nanoseconds for each call that is counted.
 * No pause, no garbage collection.
 * @throws {ERR_OFFHEAP_UNSUPPORTED_PLATFORM} elsewhere than in Node on Linux x86-64 with glibc
 * @throws {ERR_OFFHEAP_WATCH_REFUSED} when the node image cannot be patched, or another tool or copy of offheap has patched it; nothing is patched then
 * @throws {ERR_INVALID_ARG_TYPE} if `buffers` or `stacks` is something else
 * @throws {ERR_OUT_OF_RANGE} if `everyNth` is not in its range
 * @throws {ERR_INVALID_ARG_VALUE} if an option is unknown
 * @example
 * const { addons, watchAddons } = require('offheap')
 * const watch = watchAddons()
 * for (const { name, references } of addons()) console.log(name, references.liveCount)
 * watch.stop()
 */
export function watchAddons (options?: WatchAddonsOptions): AddonWatch

/**
 * Reads what every addon of the process holds: one row for each addon and thread, and one for each addon that has called
 * nothing yet. Costs some tens of microseconds; no pause, no garbage collection. The rows of a worker go with it.
 * @param options.since an earlier reading: rows then have `growth`, which has garbage in it that nobody has collected yet, and `collectedSince`
 * @throws {ERR_OFFHEAP_UNSUPPORTED_PLATFORM} elsewhere than in Node on Linux x86-64 with glibc
 * @throws {ERR_INVALID_ARG_TYPE} if `since` is not what `addons()` returned
 * @throws {ERR_INVALID_ARG_VALUE} if an option is unknown
 * @example
 * const { addons, watchAddons } = require('offheap')
 * const watch = watchAddons()
 * const before = addons()
 * for (const { name, growth } of addons({ since: before })) {
 *   if (growth && growth.references > 0) console.log(`${name} holds ${growth.references} more references`)
 * }
 * watch.stop()
 */
export function addons (options?: { since?: readonly AddonTally[] }): AddonTally[]

export interface SettledAddonsOptions {
  /** An earlier reading, of `addons()` or `settledAddons()`: rows then have `growth` and `collectedSince`. */
  since?: AddonTally[]
  /**
   * Forces full garbage collections, two to five, until two readings agree (default: `false`). The JS thread stands still for each: 6 to
   * 20 ms with a heap of 5 MB, 170 to 230 ms with 110 MB. Not for a service under load.
   */
  force?: boolean
  /** Ends the waiting, not what V8 does. */
  signal?: AbortSignal
}

/**
 * The same as `addons()`, read right after a full garbage collection of this thread and the finalizers that it brought: `growth` is then of what is
 * held, and not of what nobody has collected yet. Rows of other threads are as `addons()` has them.
 *
 * Without `force` it waits for the next full collection that V8 does of its own accord, which costs nothing and can take minutes in a
 * service that allocates little. It keeps no process alive.
 * @returns rejects as below
 * @throws {ERR_OFFHEAP_UNSUPPORTED_PLATFORM} elsewhere than in Node on Linux x86-64 with glibc
 * @throws {ERR_OFFHEAP_ABORTED} `signal` fired
 * @throws {ERR_INVALID_ARG_TYPE} and `ERR_INVALID_ARG_VALUE`: an option is wrong
 * @example
 * const { addons, settledAddons, watchAddons } = require('offheap')
 * const watch = watchAddons()
 * settledAddons({ since: addons(), force: true }).then((rows) => {
 *   for (const { name, growth } of rows) console.log(name, growth)
 *   watch.stop()
 * })
 */
export function settledAddons (options?: SettledAddonsOptions): Promise<AddonTally[]>

/** What V8 says of this thread, beside what its addons hold. Bytes; `null` while addons are not watched. */
export interface AddonChecks {
  /** V8's global handles. */
  globalHandlesBytes: number
  /** What of them is addons' references: 32 bytes for each whose object is still there. */
  liveReferencesBytes: number | null
  /** The rest: Node's own handles, addons' functions and wraps, offheap's references. */
  unattributedGlobalHandlesBytes: number | null
  /** V8's external counter. */
  declaredExternalBytes: number
  /** What of it is addons' external Buffers, ArrayBuffers and strings, and what they declared. */
  addonExternalBytes: number | null
  /** `memory().arrayBuffers`: ArrayBuffers and Buffers that Node allocated. */
  arrayBuffersBytes: number | null
  /**
   * `declaredExternalBytes` less the two above: strings outside the heap, resizable and WebAssembly memory,
   * what Node itself declared, and for a moment ArrayBuffers that V8 is freeing; less SharedArrayBuffers and what a `Blob` or a message under
   * way holds. So it is no suspicion of an addon, and can be below 0. `census()` says what of it is strings and what is held natively.
   */
  unattributedExternalBytes: number | null
  /**
   * What was declared and no watched addon has declared: `declaredExternalBytes` less `external` less what addons declared. Neither
   * strings nor ArrayBuffers nor a `Blob` move it. It is Node's zlib, addons that use V8's C++ API, and addons from before watching began.
   * It begins at -1.5 to -4.5 MB: Node's own sources are in `external` and were never declared, so look at what it grows by.
   * docs/memory.md says what WebAssembly memory and resizable ArrayBuffers add on each line of Node.
   */
  unattributedDeclaredBytes: number | null
  /** Addons that have taken back more external memory than they declared, in any thread. */
  warnings: AddonWarning[]
}

/** An addon that does harm. */
export interface AddonWarning {
  /** Permanent; the message may change. */
  code: 'external-memory-below-zero'
  /** Its name, as in `AddonTally`. */
  addon: string
  file: string
  threadId: number | null
  message: string
}

/**
 * Checks from outside of the hooks what the addons of this thread hold. Costs about as much as `addons()` and `memory()` together.
 * @throws {ERR_OFFHEAP_UNSUPPORTED_PLATFORM} elsewhere than in Node on Linux x86-64 with glibc
 * @example
 * const { addonChecks, watchAddons } = require('offheap')
 * const watch = watchAddons()
 * const { globalHandlesBytes, liveReferencesBytes } = addonChecks()
 * console.log(`${liveReferencesBytes} of ${globalHandlesBytes} bytes are references of addons`)
 * watch.stop()
 */
export function addonChecks (): AddonChecks

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

/**
 * A size: a number of bytes, or a string such as `'512MB'` or `'1.5 GiB'`. kB, MB, GB and TB are powers of 1,000, as every report prints
 * them; KiB, MiB, GiB and TiB are powers of 1,024, as in `--max-old-space-size` and Docker's `-m`. A string that is put together at run time,
 * such as one from the environment, needs `as Size`; a wrong one throws `ERR_INVALID_ARG_VALUE`.
 */
export type Size = number | `${number}${'' | ' '}${'B' | 'kB' | 'KB' | 'MB' | 'GB' | 'TB' | 'KiB' | 'MiB' | 'GiB' | 'TiB'}`

/** A share: `'80%'`. */
export type Percentage = `${number}%` | `${number} %`

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
  holdAbortMs?: number
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
  /** Called as each phase begins, and while the child writes. One that throws is not called again; the snapshot goes on. */
  onProgress?: (progress: WriteProgress) => void
}

export interface WriteProgress {
  /** `'generate'`: V8 builds the graph; `'serialize'`: its text is written; `'report'`: it is analysed. */
  phase: 'prepare' | 'generate' | 'serialize' | 'compress' | 'finish' | 'report'
  /** Bytes in the file so far, where that is known: with the probe, while it serializes. */
  byteLength: number | null
}

export interface HeapSnapshot {
  /** The file, complete and on the disk. Mode 0600: it holds every secret of the process. With `report: 'only'`, the JSON report. */
  path: string
  /** The report as JSON and as text; `null` without one. */
  reportPath: string | null
  reportTextPath: string | null
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
  /** What retention deleted. */
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
 * writeHeapSnapshot({ reason: 'after warm-up' }).then(({ path, byteLength, pauseMs }) => {
 *   console.log(`${path}: ${byteLength} bytes, the service stood still for ${Math.round(pauseMs)} ms`)
 * })
 */
export function writeHeapSnapshot (options?: WriteHeapSnapshotOptions): Promise<HeapSnapshot>

/**
 * What is watched:
 * - `rss`: the process's resident set
 * - `heapUsed`: this isolate's V8 heap
 * - `external`, `arrayBuffers`: Node's figures
 * - `trackedExternal`: live bytes of tracked external allocations
 * - `cgroup`: the working set of the cgroup, which is what Kubernetes goes by
 * - `references`: live references of one addon or of all, in all threads; a count
 * - `addonExternal`: bytes of their own that addons handed to JavaScript (external Buffers, ArrayBuffers, strings), and what
 *   they declared with `napi_adjust_external_memory`
 */
export type Metric = 'rss' | 'heapUsed' | 'external' | 'arrayBuffers' | 'trackedExternal' | 'cgroup' | 'references' | 'addonExternal'

/**
 * A limit: a size (`900_000_000`, `'900MB'`) or a percentage (`'80%'`).
 * Percentages are of the heap limit for `heapUsed` (`--max-old-space-size` or a worker's `resourceLimits` where one is set, because
 * V8's own limit adds up to 192 MiB of young generation to it), of the cgroup limit for `cgroup`, and for the others of the
 * cgroup limit or, where there is none, of the machine's memory. The base is read anew with every sample.
 */
export type Limit = Size | Percentage

export interface ThresholdOptions {
  /** Fires after this many samples in a row at or over the limit (default: `2`). */
  forSamples?: number
  /** The level to fall below before it may fire again, in the unit of the limit (default: 95 % of the limit). */
  rearmBelow?: Limit
  /** Fires at most once in this time, in ms (default: `60000`). */
  cooldownMs?: number
}

export interface AbsoluteThreshold extends ThresholdOptions {
  /** The limit. */
  above: Limit
}

export interface GrowthThreshold extends ThresholdOptions {
  /** So much growth of the floor: the lowest value of late against the lowest value `overMs` before; see docs/monitor.md. */
  growth: Size
  /** Over this time, in ms; at least two sample intervals. */
  overMs: number
}

export type Threshold = Limit | AbsoluteThreshold | GrowthThreshold

/** Which addon a threshold is about. */
export interface OfAddon {
  /** Its name as in `addons()`, `'@img/sharp'`; the last part of it will do, `'sharp'` (default: all addons together). */
  addon?: string
}

/** A number of live references. */
export interface ReferenceThreshold extends OfAddon {
  /** The limit, at least 1. */
  live: number
  /** As in {@link ThresholdOptions}. */
  forSamples?: number
  /** The count to fall below before it may fire again (default: 95 % of the limit). */
  rearmBelow?: number
  /** As in {@link ThresholdOptions}. */
  cooldownMs?: number
}

/** How many references more. */
export interface ReferenceGrowthThreshold extends OfAddon {
  /** Growth of the floor, as in {@link GrowthThreshold}, in references. */
  growth: number
  /** Over this time, in ms; at least two sample intervals. */
  overMs: number
  forSamples?: number
  rearmBelow?: number
  cooldownMs?: number
}

export type AddonReferenceThreshold = number | ReferenceThreshold | ReferenceGrowthThreshold
export type AddonExternalThreshold = Limit | (OfAddon & (AbsoluteThreshold | GrowthThreshold))

/**
 * Thresholds by metric, any number of each. Those of `references` and `addonExternal` have addons watched for as long as the Monitor
 * runs ({@link watchAddons}); an addon that is not loaded (yet) counts as 0.
 */
export type Thresholds = {
  [metric in Exclude<Metric, 'references' | 'addonExternal'>]?: Threshold | Threshold[]
} & {
  references?: AddonReferenceThreshold | AddonReferenceThreshold[]
  addonExternal?: AddonExternalThreshold | AddonExternalThreshold[]
}

export interface MonitorSnapshotOptions extends SnapshotFileOptions {
  /** At most this many snapshots by threshold in any 24 hours (default: `6`). What lies in the directory at the start counts. */
  maxPerDay?: number
}

export interface StartOptions {
  /** Time between samples in ms (default: `5000`; at least 10). */
  sampleIntervalMs?: number
  /** Thresholds that emit `'triggered'`; with `snapshot` options they also write one. */
  thresholds?: Thresholds
  /** Thresholds that emit `'triggered'` and write a snapshot: the short form. */
  snapshotAt?: Thresholds
  /** How snapshots are written; `false` (with `thresholds` only) writes none. */
  snapshot?: MonitorSnapshotOptions | boolean
  /** A signal that writes a snapshot, cooldown and daily limit or not, such as `'SIGUSR2'`. Main thread only. */
  signal?: NodeJS.Signals
  /** How many readings are kept, 1 to 100,000 (default: `720`, an hour at the default interval). */
  historyLength?: number
  /**
   * Numbers all objects at start, by a snapshot that nobody reads, so that later snapshots give what still lives the same
   * ids and can be compared by them (default: `false`). Stops the JS thread like any snapshot in the process: do it while
   * the heap is small.
   */
  baseline?: boolean
  /** Samples Buffers until `stop()`, as `trackBuffers()` does (default: `false`). */
  trackBuffers?: boolean | TrackBuffersOptions
}

/** What one addon holds, all its environments in all threads together. `null` where it cannot be counted. */
export interface AddonSummary {
  /** As in {@link AddonTally}. */
  readonly name: string
  readonly liveReferenceCount: number | null
  /** Live ones whose object was collected. */
  readonly outlivedReferenceCount: number | null
  /** Bytes of external Buffers, ArrayBuffers and strings that JavaScript still has. */
  readonly liveExternalBytes: number | null
  /** The net of `napi_adjust_external_memory`. */
  readonly adjustedExternalBytes: number | null
}

/** One reading: all of `memory()`, what addons hold, and when. Bytes; `null` is "cannot be measured". */
export interface Reading extends Memory {
  /** ISO 8601, UTC. */
  readonly at: string
  /** While addons are watched ({@link watchAddons}); otherwise `null`. */
  readonly addons: AddonSummary[] | null
}

interface TriggeredBase {
  kind: 'absolute' | 'percentage' | 'growth'
  /** ISO 8601, UTC. */
  at: string
  /** What is done about it: a snapshot begins, or none is wanted (`'off'`), or a limit forbids it. */
  snapshot: 'started' | 'off' | 'in-progress' | 'cooldown' | 'daily-limit'
  /** The sample. */
  reading: Reading
}

/** A threshold in bytes fired. */
export interface TriggeredBytes extends TriggeredBase {
  metric: Exclude<Metric, 'references'>
  /** The addon it names, `null` for all; `addonExternal` only. */
  addon?: string | null
  /** As it was given: `'80%'`, `{ growth, overMs }`. */
  threshold: Limit | { growth: Size, overMs: number } | AddonExternalThreshold
  /** In bytes, at this sample. */
  thresholdBytes: number
  /** What is over it: the metric, or what it grew by. */
  valueBytes: number
  /** The metric itself. */
  metricBytes: number
  /** Bytes are no count. */
  valueCount?: undefined
  thresholdCount?: undefined
  metricCount?: undefined
}

/** A threshold in references fired. */
export interface TriggeredCount extends TriggeredBase {
  metric: 'references'
  /** The addon it names; `null` for all. */
  addon: string | null
  /** As it was given. */
  threshold: AddonReferenceThreshold
  /** A count has no bytes. */
  valueBytes?: undefined
  thresholdBytes?: undefined
  metricBytes?: undefined
  thresholdCount: number
  /** What is over it: the count, or what it grew by. */
  valueCount: number
  /** The count itself. */
  metricCount: number
}

/** A threshold fired. */
export type Triggered = TriggeredBytes | TriggeredCount

/** A snapshot that a Monitor wrote. */
export interface SnapshotWritten extends HeapSnapshot {
  /** The threshold that asked for it; `null` for a signal. */
  trigger: Triggered | null
}

/**
 * Samples memory off the request path, and acts when a threshold is crossed; made by {@link start}.
 *
 * Nothing of it reaches the service: a listener that throws or rejects becomes an `'error'` event
 * (`ERR_OFFHEAP_LISTENER_FAILED`), and an `'error'` that nobody listens to becomes a process warning, once per code.
 */
export interface Monitor extends EventEmitter {
  on (event: 'sample', listener: (reading: Reading) => void): this
  on (event: 'triggered', listener: (event: Triggered) => void): this
  on (event: 'snapshotWritten', listener: (snapshot: SnapshotWritten) => void): this
  on (event: 'snapshotProgress', listener: (progress: WriteProgress) => void): this
  on (event: 'error', listener: (error: OffheapError) => void): this
  once (event: 'sample', listener: (reading: Reading) => void): this
  once (event: 'triggered', listener: (event: Triggered) => void): this
  once (event: 'snapshotWritten', listener: (snapshot: SnapshotWritten) => void): this
  once (event: 'snapshotProgress', listener: (progress: WriteProgress) => void): this
  once (event: 'error', listener: (error: OffheapError) => void): this
  /** Takes one reading now, as the timer does, thresholds and all. About 0.1 ms; no pause, no garbage collection. */
  sample (): Reading
  /** The last readings, oldest first; a copy. */
  history (): Reading[]
  /**
   * Ends it; again does nothing. No timer and no signal handler stays, and a snapshot that is being written is given up,
   * with nothing left behind.
   */
  stop (): void
  /** The same as `stop()`, for `using`; where the runtime has `Symbol.dispose`. */
  [Symbol.dispose] (): void
}

/**
 * Starts sampling. The timer keeps no process alive. Several Monitors may run at once.
 *
 * Without options it only samples. With `snapshotAt` it writes a heap snapshot when a threshold is crossed, once per
 * breach, within limits: 30 minutes apart, 6 a day, 5 files and 4 GB in the directory, 256 MB of disk left free.
 * A snapshot pauses the JS thread for one `fork()`, milliseconds, and where there is no probe none is written unless `snapshot.fallback` allows
 * to stop the thread for it; see {@link writeHeapSnapshot}.
 *
 * @throws {ERR_OFFHEAP_METRIC_UNAVAILABLE} a threshold needs what cannot be measured here, such as a percentage of a
 *   cgroup limit where there is none
 * @throws {ERR_OFFHEAP_READ_FAILED} a threshold could not be checked at this moment, because descriptors are short
 * @throws {ERR_OFFHEAP_UNSUPPORTED_PLATFORM} `signal` in a worker thread, which no signal reaches; a threshold about addons
 *   where they cannot be watched
 * @example
 * const { start } = require('offheap')
 * const monitor = start({ snapshotAt: { rss: '80%' }, signal: 'SIGUSR2' })
 * monitor.on('snapshotWritten', ({ path, trigger }) => console.log(path, trigger?.metric))
 */
export function start (options?: StartOptions): Monitor

// Heap snapshots: analysis, comparison, redaction ----------------------------------------------------------------

/** How far a run has come. */
export interface SnapshotProgress {
  phase: 'read' | 'dominators' | 'distances' | 'report'
  /** Part of the phase that is done, 0 to 1. Stays 0 while reading a pipe or a gzip file: their length is unknown. */
  fraction: number
}

export interface SnapshotRunOptions {
  /** Stops the run within milliseconds, with `ERR_OFFHEAP_ABORTED` and the signal's reason as `cause`. */
  signal?: AbortSignal
  /** Called about ten times a second while the run goes on. What it throws ends the run and is what the run rejects with. */
  onProgress?: (progress: SnapshotProgress) => void
}

export interface SnapshotReportOptions extends SnapshotRunOptions {
  /** Rows per table, 1 to 1,000 (default: `20`). */
  top?: number
  /** Retaining paths per class, those that retain most first, 0 to 100 (default: `1`). */
  retainers?: number
  /** Only classes whose name contains this, in any case of letters; at most 1,000 characters (default: all). */
  filter?: string
}

export interface AnalyzeHeapSnapshotOptions extends SnapshotReportOptions {
  /** The id of an object to show in full, as DevTools and the reports show it after the `@` (default: none). */
  id?: number
}

/** An object of a snapshot. Sizes and distance are Chrome DevTools'. */
export interface SnapshotObject {
  /**
   * V8's id. Snapshots in the process give an object the same one each time. Children of the probe number by themselves what is younger than the last
   * snapshot in the process ({@link StartOptions.baseline}).
   */
  id: number
  className: string
  /** V8's name: the class, the function's name, the beginning of the string. */
  name: string
  /** V8's node type: `object`, `closure`, `string`, … */
  type: string
  /** Own bytes, with the internal arrays that belong to it alone. */
  shallowBytes: number
  /** Bytes that would be freed if it went away. */
  retainedBytes: number
  /** References on the shortest path from a global object; `null` if only the engine's roots reach it. */
  distance: number | null
}

export interface RetainingStep {
  edgeType: string
  /** Name of the property, variable or field, or the index. */
  edge: string
  id: number
  className: string
  name: string
}

/** The shortest path from a root to an object. */
export interface RetainingPath {
  /** In words: `global.sessions (Map) entry (Session).user (User)`. */
  text: string
  stepCount: number
  /** All steps, or the first and the last 24 of a very long path. */
  steps: RetainingStep[]
}

/** Objects whose paths read the same once indices and dictionary keys are left out. */
export interface GroupedPath {
  text: string
  count: number
  shallowBytes: number
  /** What they retain together, nothing counted twice. */
  retainedBytes: number
  /** One of them. */
  exampleId: number
}

export interface SnapshotClass {
  name: string
  count: number
  shallowBytes: number
  /** Without counting anything twice: an object counts unless another of its class retains it. */
  retainedBytes: number
  distance: number | null
  paths: GroupedPath[]
}

export interface DominatorNode extends SnapshotObject {
  /** How many objects it dominates immediately. */
  dominatedCount: number
  children: DominatorNode[]
}

/** A pattern that leaks have; docs/analysis.md has the numbers from which on each is one, and what cures it. */
export interface SnapshotSuspect {
  /**
   * - `accumulation`: one object in which a tenth of the heap comes together from many small ones
   * - `large-collection`: a Map, Set, array or dictionary with very many entries
   * - `many-listeners`: of one event of an EventEmitter, EventTarget or AbortSignal; or signals of `AbortSignal.any()` that follow one
   * - `long-chain`: objects of one class linked by the same reference
   * - `many-timers`: pending Timeouts or Immediates
   * - `held-target`: a FinalizationRegistry whose held values keep their own targets, so that no callback ever comes
   * - `dead-weak-refs`: a collection of WeakRefs whose targets are gone
   * - `async-context`: stores of AsyncLocalStorage that only sockets, timers or promises keep
   * - `pinned-string`: long strings that only slices of them keep
   * - `console-messages`: what was logged while an inspector was attached, and nothing else keeps
   */
  kind: 'accumulation' | 'large-collection' | 'many-listeners' | 'long-chain' | 'many-timers' | 'held-target' | 'dead-weak-refs' |
    'async-context' | 'pinned-string' | 'console-messages'
  /** The evidence in words; ends in "and 11 more on the same path" where one line stands for twelve. */
  text: string
  /** How many entries, listeners, objects, timers, values, WeakRefs, stores, strings or messages there are. */
  count: number
  /** What these retain together, in bytes, nothing counted twice. */
  retainedBytes: number
  /** V8's id of the object at the end of `path`: the collection, emitter, head, registry, or the largest of many. */
  id: number
  path: string
}

export interface HeapSnapshotAnalysis {
  path: string
  durationMs: number
  /** Length of the file, unpacked. */
  snapshotBytes: number
  nodeCount: number
  edgeCount: number
  stringCount: number
  totals: {
    shallowBytes: number
    /** Bytes behind ArrayBuffers (`system / JSArrayBufferData`); part of `shallowBytes`. */
    backingStoreBytes: number
    /** Native memory that V8 reports beside the objects (Node 24 and later), not in `shallowBytes`; else 0. */
    extraNativeBytes: number
    /** DOM nodes that Chrome says are detached. */
    detachedCount: number
    types: Array<{ type: string, count: number, shallowBytes: number }>
  }
  /** The object that `id` asked for. */
  object: (SnapshotObject & {
    path: RetainingPath | null
    retainerCount: number
    retainers: Array<SnapshotObject & { edgeType: string, edge: string, path: string | null }>
    /** From the nearest to the farthest. */
    dominators: SnapshotObject[]
  }) | null
  /** How many classes there are; `classes` shows the first `top` by retained size. */
  classCount: number
  classes: SnapshotClass[]
  largest: Array<SnapshotObject & { path: RetainingPath | null }>
  /** Four levels of the dominator tree, five children each at most, nothing below a hundredth of the heap. */
  dominators: DominatorNode[]
  backingStores: {
    count: number
    bytes: number
    /** Held by no JavaScript object that the snapshot knows. */
    unheldCount: number
    unheldBytes: number
    classes: Array<{ className: string, count: number, bytes: number }>
    holders: Array<{ text: string, count: number, bytes: number, exampleId: number }>
    largest: Array<{ id: number, bytes: number, viewCount: number, holderId: number | null, className: string | null, path: string | null }>
  }
  strings: {
    count: number
    bytes: number
    /** Copies beyond the first; strings of 1,024 characters or more are not compared: V8 cuts them there. */
    duplicateCount: number
    duplicateBytes: number
    duplicates: Array<{ text: string, length: number, count: number, bytes: number }>
    pinnedBySlicesCount: number
    pinnedBySlicesBytes: number
    /** Long strings that only slices of them keep alive. */
    pinnedBySlices: Array<{ id: number, text: string, bytes: number, sliceCount: number }>
  }
  /** By place in the source, counted from 1; `null` if the snapshot has no locations. */
  closures: Array<{ name: string, script: string | null, line: number, column: number, count: number, shallowBytes: number, retainedBytes: number, exampleId: number }> | null
  /** Plain objects by the names of their properties; those that hold numbers have no reference and no name here. */
  plainObjects: Array<{ shape: string, count: number, shallowBytes: number, retainedBytes: number, exampleId: number }>
  suspectCount: number
  suspects: SnapshotSuspect[]
}

/**
 * Says where the memory of a heap snapshot is: classes, largest objects, who holds the backing stores, suspects.
 *
 * Runs on libuv's thread pool and one thread beside it: the JavaScript thread is not held up, nothing is paused and
 * no GC is forced. Takes about 100 bytes per object of the snapshot; docs/analysis.md has the measurements.
 * @param path a `.heapsnapshot` or `.heapsnapshot.gz` file of Node 18 to 26 or Chrome; `-` is standard input
 * @throws {ERR_INVALID_ARG_TYPE} {ERR_INVALID_ARG_VALUE} {ERR_OUT_OF_RANGE} for wrong arguments
 * @throws {ERR_OFFHEAP_SNAPSHOT_READ_FAILED} if the file cannot be read
 * @throws {ERR_OFFHEAP_SNAPSHOT_SYNTAX} {ERR_OFFHEAP_SNAPSHOT_FORMAT} {ERR_OFFHEAP_SNAPSHOT_TRUNCATED}
 *   {ERR_OFFHEAP_SNAPSHOT_TOO_LARGE} if it is no usable snapshot
 * @throws {ERR_OFFHEAP_SNAPSHOT_OBJECT_NOT_FOUND} if no object has `options.id`
 * @throws {ERR_OFFHEAP_ABORTED} once `options.signal` has fired
 * @example
 * import { analyzeHeapSnapshot } from 'offheap'
 * const { classes } = await analyzeHeapSnapshot('server.heapsnapshot', { top: 5 })
 * for (const { name, count, retainedBytes, paths } of classes) console.log(name, count, retainedBytes, paths[0]?.text)
 */
export function analyzeHeapSnapshot (path: string, options?: AnalyzeHeapSnapshotOptions): Promise<HeapSnapshotAnalysis>

export interface ComparedClass {
  name: string
  /** Objects that were not there before; the least there can be where `matchedById` is `false`, and so are the next three. */
  newCount: number
  newBytes: number
  deletedCount: number
  deletedBytes: number
  countBefore: number
  countAfter: number
  countDelta: number
  shallowBytesDelta: number
  retainedBytesBefore: number
  retainedBytesAfter: number
  retainedBytesDelta: number
  /** What holds the new objects, the paths that retain most first; without common ids, the paths that hold more than before. */
  paths: GroupedPath[]
}

/** A place that holds more than it did before, with all that hangs from what it holds. No byte is in two of them. */
export interface SnapshotGrowth {
  /**
   * `'new'`: there are more objects than before, and what holds them has not become more. `'grown'`: objects have become larger, as a
   * resized Buffer, the memory of a WebAssembly module or the table of a Map does. `'engine'`: compiled code, hidden classes and other data
   * that V8 keeps for itself, of all places together. `'offheap'`: what nothing but offheap holds, of all places together.
   */
  kind: 'new' | 'grown' | 'engine' | 'offheap'
  /** The class of the objects at the place. */
  className: string
  /** How many more there are; of `'grown'`, how many have become larger. */
  count: number
  /** By how much the shallow sizes of the objects, and of all below them on shortest paths, have grown. Always more than 0. */
  bytes: number
  /** The class that most of `bytes` are of, where that is not the class itself: the bytes of the Buffers that sessions hold. */
  mostly: { className: string, count: number, bytes: number } | null
  /** The retaining path, with what the keys have in common: `global.cache (Map) entry["session:…"] (Session)`. `null` for `'engine'` and `'offheap'`. */
  path: string | null
  /** One of the objects in the second file: the youngest new one, or the largest that has grown. `null` for `'engine'` and `'offheap'`. */
  exampleId: number | null
}

export interface HeapSnapshotComparison {
  durationMs: number
  before: { path: string, nodeCount: number, shallowBytes: number }
  after: { path: string, nodeCount: number, shallowBytes: number }
  /** Whether the ids of the two files mean the same objects. */
  matchedById: boolean
  /** Why not. */
  matchReason: string | null
  classCount: number
  /** The most grown retained size first. */
  classes: ComparedClass[]
  growthCount: number
  /** What has grown by what holds it, the most bytes first; empty with `retainers: 0`. */
  growth: SnapshotGrowth[]
}

/**
 * Says what has grown between two heap snapshots and what holds it (`growth`), and what came and went of each class (`classes`).
 *
 * Objects are matched by V8's id, as in DevTools' Comparison. Where the ids do not correspond (two processes, or two
 * children of the probe, which number objects each by itself) that is found out and said: `matchedById` is `false`, new and deleted counts are the
 * least there can be (what a class has more than before has come), and paths are compared by count. Cost as {@link analyzeHeapSnapshot}, twice,
 * one after the other.
 * @param before `-` is standard input, for one of the two
 * @throws as {@link analyzeHeapSnapshot}
 * @example
 * import { compareHeapSnapshots } from 'offheap'
 * const { growth: [most] } = await compareHeapSnapshots('before.heapsnapshot', 'after.heapsnapshot')
 * console.log(`${most?.bytes} bytes more: ${most?.count} ${most?.className} via ${most?.path}`)
 */
export function compareHeapSnapshots (before: string, after: string, options?: SnapshotReportOptions): Promise<HeapSnapshotComparison>

export interface RedactHeapSnapshotOptions extends SnapshotRunOptions {
  /**
   * 16 characters or more. Equal strings get equal hashes in every file redacted with the same salt
   * (default: random and forgotten, so that no guess can be checked against a hash).
   */
  salt?: string
}

/**
 * Writes a copy of a heap snapshot in which every string value is replaced by its length and a keyed hash. Names of
 * classes, functions, properties, variables and files stay, and so does every number: tools read it as before.
 *
 * Streams: takes a few megabytes whatever the size. The copy is readable by its owner only; an existing file is never
 * overwritten. A key of an object that is used as a dictionary is a property name and stays: see docs/analysis.md.
 * @param path the snapshot; `-` is standard input
 * @param out the copy; gzip if it ends in `.gz`
 * @throws {ERR_OFFHEAP_SNAPSHOT_WRITE_FAILED} if the copy cannot be written; otherwise as {@link analyzeHeapSnapshot}
 * @example
 * import { redactHeapSnapshot } from 'offheap'
 * await redactHeapSnapshot('server.heapsnapshot', 'shareable.heapsnapshot.gz')
 */
export function redactHeapSnapshot (path: string, out: string, options?: RedactHeapSnapshotOptions): Promise<{
  path: string
  durationMs: number
  redactedCount: number
  keptCount: number
  /** Length of the copy, unpacked. */
  snapshotBytes: number
}>

/** Options of {@link census}. */
export interface CensusOptions {
  /**
   * `'probe'`: in a copy-on-write child; the JS thread stands still for one `fork()`. `'in-process'`: the JS thread stands still for
   * the whole census. `'auto'`: the child, and with `fallback: true` this process where there can be no child (default: `'auto'`).
   */
  mode?: 'auto' | 'probe' | 'in-process'
  /** With `mode: 'auto'`: stops the JS thread where there can be no child (default: `false`). */
  fallback?: boolean
  /** Rows in each list, 1 to 1000 (default: `10`). */
  top?: number
  /** Adds to each row who holds it, from a heap snapshot taken at the same instant (default: `false`). Takes as long, and as much memory, as a snapshot. */
  retainers?: boolean
  /**
   * How long the census may take, in ms (default: `120000`). Before that time is up it is handed out with what has been read until then,
   * `complete: false`. Where not even the main realm could be read in that time, the child is killed (`ERR_OFFHEAP_PROBE_TIMEOUT`).
   */
  timeoutMs?: number
  /**
   * How long a census in the process may stop the JS thread, in ms (default: `5000`). What would take longer is left out:
   * `complete: false`. The main realm is read in any case, and that cannot be interrupted: about 1 to 2 s per million objects.
   */
  maxPauseMs?: number
  /** Aborting ends the child; a census in the process cannot be interrupted. */
  signal?: AbortSignal
}

/** A group of views that are held in the same way. */
export interface CensusHolder {
  /** A retaining path, with keys and indices left out: `global.cache (Map) entry (Session).token (Buffer) → backing store`. */
  path: string
  /** How many views. */
  count: number
}

/** What every row of a census says. */
export interface CensusRow {
  /** What the backing store is. `'external'`: memory of `allocExternal`. `'addon'`: memory of an addon, made while `watchAddons()` watched it. */
  kind: 'slab' | 'plain' | 'resizable' | 'shared' | 'wasm' | 'external' | 'addon'
  /** The class of its longest view, of equals a Buffer first and a Uint8Array after other typed arrays; without a view, of the ArrayBuffer. */
  className: string
  /** The length of its longest view; `null` without a view. */
  longestViewBytes: number | null
  /** The label that the longest view or the store is tracked under; `null` if it is not tracked. */
  label: string | null
  /** The route that it was tracked in; `null` if there was none. */
  route: string | null
  /** With `retainers: true`: the shortest path from a GC root to one of its views; `null` if nothing but the engine holds it. */
  path?: string | null
  /** With `retainers: true`: the commonest paths to its views, three at most. */
  holders?: CensusHolder[]
}

/**
 * Backing stores with the same `kind`, class, label and route; with `retainers: true`, and the same path. All stores are in the groups,
 * not the `top` ones alone; each list has the `top` largest groups.
 */
export interface CensusGroup {
  kind: CensusRow['kind']
  className: string
  label: string | null
  route: string | null
  /**
   * With `retainers: true`: the shortest path from a GC root to one of the views, with keys and indices left out; `null` if nothing but
   * the engine holds them. Left out for stores that are not among the 10,000 largest of the list: those are a group of their own.
   */
  path?: string | null
  /** How many backing stores. */
  count: number
}

/** What the views of an isolate pin; see {@link census}. Bytes that several views reach count once. */
export interface Census {
  mode: 'probe' | 'in-process'
  /** How long the JS thread stood still, in ms. */
  pauseMs: number
  /** From the call to the answer, in ms. */
  durationMs: number
  /** How many children it took. */
  attempts: number
  /** Whether all realms were read, and all that was asked for is there: `missing` is empty. */
  complete: boolean
  /**
   * What is not there. `'realms'`: the time was up before all of them were read. `'hidden-realms'`: there are some that cannot be looked
   * into. `'retainers'`: there was no time for the snapshot; rows have no `path` then.
   */
  missing: ('realms' | 'hidden-realms' | 'retainers')[]
  /**
   * Realms: the main one and each vm context (jest has one per test file). What belongs to an unseen one is missing from all figures.
   * `count` is `readCount` and `unseenCount` together. `method` is how objects were found; `'query-objects'` (no permission to use the
   * inspector) sees the main realm only.
   */
  realms: { count: number, readCount: number, unseenCount: number, method: 'inspector' | 'query-objects' }
  /**
   * Figures that are lower limits, by name (`'views'`, `'slabs.totalBytes'`), because a realm was not read; empty otherwise. The rest
   * (waste, slices, `unviewed…`, `small…`) may be too high as well: a view that was not read may be one of the whole store.
   */
  lowerLimits: string[]
  /** Buffers, typed arrays and DataViews. `detachedCount`: of ArrayBuffers that were transferred, or that shrank below them. */
  views: { count: number, bufferCount: number, dataViewCount: number, emptyCount: number, detachedCount: number }
  /**
   * What is behind ArrayBuffers and SharedArrayBuffers, slabs included. `unviewed…`: no view of it is left. `small…`: of up to 64
   * bytes with one view, which V8 keeps inside its heap until it is looked for. `reservedBytes`: what resizable ones may grow to.
   * `nativelyHeldBytes`: memory of Node's ArrayBuffer allocator beyond all of these, at least: what a `Blob` holds, what was transferred in messages that nobody
   * has received yet, ArrayBuffers that were transferred to another thread. `null` where it is not known: in realms that were not seen,
   * or where external Buffers of addons that nobody watches and memory from other threads, which were found and are no part of the counter, outweigh it.
   */
  backingStores: {
    count: number
    totalBytes: number
    unviewedCount: number
    unviewedBytes: number
    smallCount: number
    smallBytes: number
    sharedCount: number
    sharedBytes: number
    wasmCount: number
    wasmBytes: number
    resizableCount: number
    resizableBytes: number
    reservedBytes: number
    nativelyHeldBytes: number | null
    detachedCount: number
  }
  /** Slabs of the Buffer pool. Pinned: kept alive by slices alone, so all but the one in use. Wasted: what no slice of them reaches. */
  slabs: {
    /** The length of the slab in use. */
    slabBytes: number
    count: number
    totalBytes: number
    liveSliceCount: number
    liveSliceBytes: number
    pinnedCount: number
    pinnedBytes: number
    wasteBytes: number
    /** Those that waste most. */
    top: (CensusRow & { totalBytes: number, liveSliceBytes: number, wasteBytes: number, sliceCount: number })[]
    /** Those that waste something, grouped; the groups that waste most. */
    groups: (CensusGroup & { totalBytes: number, liveSliceBytes: number, wasteBytes: number, sliceCount: number })[]
  }
  /** Views of parts of other stores, where no view of the whole is left. Shared and WebAssembly memory is never among them. */
  slices: {
    count: number
    backingStoreCount: number
    viewBytes: number
    pinnedBytes: number
    wasteBytes: number
    /** Those that waste most. */
    top: (CensusRow & { viewBytes: number, backingBytes: number, wasteBytes: number, viewCount: number })[]
    /** Those that waste something, grouped; the groups that waste most. */
    groups: (CensusGroup & { viewBytes: number, backingBytes: number, wasteBytes: number, viewCount: number })[]
  }
  /** Backing stores of any kind. */
  large: {
    /** The largest ones. */
    top: (CensusRow & { totalBytes: number, viewBytes: number, viewCount: number })[]
    /** All of them, grouped; the groups with most bytes. A thousand Buffers of one Map are one row here. */
    groups: (CensusGroup & { totalBytes: number, viewBytes: number, viewCount: number })[]
  }
  /** Memory of `allocExternal` behind ArrayBuffers. */
  external: { count: number, totalBytes: number }
  /**
   * Strings outside V8's heap: what Buffers of about 1 MB and more became, addons' external strings, Node's own sources (1.5 to 4.5 MB). On
   * Node 26 a character of two bytes counts as one, as V8 counts it. `null` with realms that were not seen, and on Node 20 and 22 while
   * there is a resizable ArrayBuffer.
   */
  externalStringBytes: number | null
  /** Readable and Writable streams, and responses without a socket. Bytes are those of streams that are not in object mode. */
  streams: {
    count: number
    waitingBytes: number
    readableBytes: number
    writableBytes: number
    /** In streams of objects. */
    waitingObjects: number
    overHighWaterMarkCount: number
    /** Those with most bytes waiting. A stream in object mode has lengths in objects. */
    top: {
      className: string
      waitingBytes: number
      readableLength: number | null
      readableHighWaterMark: number | null
      readableObjectMode: boolean | null
      writableLength: number | null
      writableHighWaterMark: number | null
      writableObjectMode: boolean | null
      /** With `retainers: true`: the shortest path from a GC root to the stream; `null` if nothing but the engine holds it. */
      path?: string | null
    }[]
    /**
     * Streams in which something waits, by class; with `retainers: true`, and by path (keys and indices left out; of the 10,000 with most
     * bytes). The groups with most bytes.
     */
    groups: { className: string, path?: string | null, count: number, waitingBytes: number, waitingObjects: number }[]
  }
}

/**
 * Counts every view and every backing store of this thread's isolate, and says which slabs and large ArrayBuffers are alive only
 * because something small points at them (docs/buffer-slabs.md). Exact; nothing has to run before.
 *
 * By default a copy-on-write child counts, and this thread stands still for one `fork()`. In the process it stands still for a full
 * garbage collection and a look at every object (1 to 2 s per million), twice more for each vm context while `maxPauseMs` lasts, and
 * typed arrays of up to 64 bytes are moved out of V8's heap.
 * One at a time in a thread: a call with the same options joins the one that runs.
 *
 * @throws {ERR_OFFHEAP_UNSUPPORTED_PLATFORM} there can be no child here, and neither `fallback` nor `'in-process'` was asked for;
 *   or in the process, there is no access to the inspector
 * @throws {ERR_OFFHEAP_CENSUS_IN_PROGRESS} another one of this thread is being taken with other options
 * @throws {ERR_OFFHEAP_NO_HEADROOM} there is no room for the child, with the figures
 * @throws {ERR_OFFHEAP_PROBE_FAILED} and `_PROBE_TIMEOUT`, `_PROBE_CRASHED`, `_PROBE_DEADLOCK`: see {@link probe}
 * @throws {ERR_OFFHEAP_ABORTED} `signal` fired
 * @throws {ERR_INVALID_ARG_TYPE} and `ERR_INVALID_ARG_VALUE`, `ERR_OUT_OF_RANGE`: an option is wrong
 * @example
 * const { census } = require('offheap')
 * census({ fallback: true }).then(({ slabs, slices }) => {
 *   console.log(`${slabs.wasteBytes} bytes of slabs and ${slices.wasteBytes} bytes behind slices are pinned`)
 * })
 */
export function census (options?: CensusOptions): Promise<Census>

/** Node's pool, from which small Buffers are cut, and its slabs in this thread. docs/buffer-profile.md. */
export interface BufferPool {
  /** Slabs that were seen since offheap looked first. With coverage `'partial'` there were at least as many. */
  createdCount: number
  /** Those of them that are alive: the current one, and those that slices keep. */
  liveCount: number
  /**
   * The standard error of `liveCount`; 0: it is exact. While Buffers are tracked, and more than some thousand slabs a second are made,
   * one in several is watched and stands for as many.
   */
  liveCountStandardError: number
  /** Bytes of the slabs that are alive, used or not. */
  liveBytes: number
  /**
   * The slab that the next small Buffer is cut from, found by cutting one (8 bytes). `null` when the pool is switched off
   * (`Buffer.poolSize` below 4).
   */
  currentSlab: { byteLength: number, usedBytes: number, freeBytes: number } | null
  /**
   * `'full'` while `trackBuffers()` runs: each slab made since `fullSince` was counted. `'partial'` otherwise: nothing of Node
   * is changed then, and only slabs are counted that were current at a reading, or at a sample of a Monitor.
   */
  coverage: 'full' | 'partial'
  /** Why coverage is partial. */
  coverageReason: string | null
  /** Since when coverage has been full (ISO 8601). */
  fullSince: string | null
}

/**
 * Says how many slabs of Node's pool there are in this thread, and how full the current one is. One finalizer per slab, none per
 * slice. Costs a few microseconds and 8 bytes of the pool; no pause, no garbage collection.
 * @example
 * const { bufferPool } = require('offheap')
 * const { liveCount, liveBytes, currentSlab } = bufferPool()
 * console.log(`${liveCount} slabs, ${liveBytes} bytes; ${currentSlab?.freeBytes ?? 0} left in the current one`)
 */
export function bufferPool (): BufferPool

/**
 * Returns a copy of `view` with bytes of its own when the view keeps more alive than it uses, and the view itself otherwise.
 * Keep the result and drop the view: then a 50-byte slice does not pin its slab, nor a header its whole upload.
 *
 * - The copy is of the same type (Buffer, Float64Array, DataView, a subclass), and over a SharedArrayBuffer if the view was; it is not
 *   resizable, and follows no later change of the original.
 * - Costs a copy of the view's bytes. No pause, no garbage collection.
 * @param options.ifWasteOver bytes of the ArrayBuffer outside the view that are put up with (default: `0`)
 * @throws {ERR_INVALID_ARG_TYPE} if `view` is no view
 * @throws {ERR_INVALID_ARG_VALUE} if `ifWasteOver` is a string that is no size, or an option is unknown
 * @throws {ERR_OUT_OF_RANGE} if `ifWasteOver` is negative or no safe integer
 * @throws {RangeError} what V8 throws when there is no memory for the copy
 * @example
 * const { unslab } = require('offheap')
 * const cache = new Map()
 * const packet = Buffer.alloc(10_000_000)
 * cache.set('token', unslab(packet.subarray(0, 32)))
 * console.log(cache.get('token').buffer.byteLength) // 32
 */
export function unslab<T extends NodeJS.ArrayBufferView> (view: T, options?: { ifWasteOver?: Size }): T

/** A function of Buffer that can be watched. */
export type BufferFunction = 'from' | 'alloc' | 'allocUnsafe' | 'allocUnsafeSlow' | 'concat' | 'copyBytesFrom'

export interface TrackBuffersOptions {
  /** Bytes from sample to sample, on average (default: `524288`, 512 KiB). Half of it halves the variance and doubles the cost. */
  sampleIntervalBytes?: Size
  /** Which functions are wrapped (default: all). `bufferPool()` has full coverage when all but `alloc` and `allocUnsafeSlow` are. */
  functions?: BufferFunction[]
  /** Frames of a stack that are kept, from the innermost (default: `16`; 1 to 200). */
  stackDepth?: number
  /**
   * The share of the thread's time that samples may take, as `0.01` or `'1%'` (default: `0.01`). Above it the interval is made longer, up to 4,096 times;
   * estimates stay unbiased, and their standard errors grow. `1` never makes it longer.
   */
  maxOverhead?: number | Percentage
}

/** See `trackBuffers`. */
export interface BufferTracking {
  /** Ends it; again does nothing. With the last one of a thread Buffer's functions are put back, and the profile stays readable. */
  stop (): void
  /** The same as `stop()`, for `using`. */
  [Symbol.dispose] (): void
}

/**
 * Samples Buffers as they are allocated in this thread, by bytes, each with its stack and its route, and notices when they are
 * released: `bufferProfile()` then says which call sites hold how much. docs/buffer-profile.md has what it costs and cannot see.
 *
 * - Wraps `Buffer.from`, `alloc`, `allocUnsafe`, `allocUnsafeSlow`, `concat` and `copyBytesFrom` until `stop()`. The wrappers keep name, length,
 *   properties, results and errors; the stack of an error has one line more.
 * - A function that was taken off Buffer before (`const { from } = Buffer`) is not seen.
 * - Called again it shares the profile that is being taken, at the smaller interval. After the last `stop()` the next call begins a new one.
 * - Costs about 5 % of the smallest allocations (2 to 5 ns each) and 10 to 35 µs for each sample, of which there are no more than `maxOverhead`
 *   allows. No pause, no garbage collection.
 * @throws {ERR_INVALID_ARG_TYPE} for options of the wrong type
 * @throws {ERR_INVALID_ARG_VALUE} for unknown options or functions
 * @throws {ERR_OUT_OF_RANGE} for numbers outside their range
 * @example
 * const { bufferProfile, trackBuffers } = require('offheap')
 * const tracking = trackBuffers()
 * const cache = []
 * function remember () { cache.push(Buffer.alloc(5_000_000)) }
 * for (let i = 0; i < 20; i++) remember()
 * const [{ liveBytes, stack }] = bufferProfile().sites
 * console.log(liveBytes, stack[0].functionName) // about 100000000 'remember'
 * tracking.stop()
 */
export function trackBuffers (options?: TrackBuffersOptions): BufferTracking

/**
 * What samples stand for. Estimates are unbiased: too high as often as too low, by more than twice the standard error once in 20 times, also
 * where there are few samples or none: the error has what may have gone by unsampled in it, so it is 0 only before the first allocation.
 * Where it is not below the figure, the figure is "at most about twice the error".
 */
export interface BufferFigures {
  /** Bytes that are alive: Buffers that are not collected, or, where a Buffer has an ArrayBuffer of its own, ArrayBuffers. */
  liveBytes: number
  liveBytesStandardError: number
  liveCount: number
  liveCountStandardError: number
  /** Samples that the live figures are made of. */
  liveSampleCount: number
  /** Bytes ever allocated since `startedAt`. */
  totalBytes: number
  totalBytesStandardError: number
  totalCount: number
  totalCountStandardError: number
  totalSampleCount: number
}

/** A place in the code. */
export interface StackFrame {
  /** Empty for code outside of any function, and for one without a name. */
  functionName: string
  /** A path or URL; of the source, when Node runs with `--enable-source-maps`. */
  file: string
  /** From 1; 0 is unknown. */
  line: number
  column: number
}

export interface BufferSite extends BufferFigures {
  /** Innermost first, beginning with the caller of Buffer's function. */
  stack: StackFrame[]
  /** The same by route. */
  routes: Record<string, BufferFigures>
}

/** See `bufferProfile`. */
export interface BufferProfile extends BufferFigures {
  /** When sampling began (ISO 8601). What was allocated before is not in here. */
  startedAt: string
  /** Whether it goes on. */
  isActive: boolean
  /** Bytes from sample to sample at this moment; more than was asked for when samples took too much time. */
  sampleIntervalBytes: number
  /** What is watched. */
  functions: BufferFunction[]
  /** By call site, most live bytes first; at most 4,096 are kept apart, the rest is `(other)`. `null` with `sites: false`. */
  sites: BufferSite[] | null
  /** By the route that was served; `'(no route)'` is the rest. */
  routes: Record<string, BufferFigures>
}

/**
 * Reads the sampled profile of this thread: live and total bytes by call site and route.
 *
 * Costs about 1 ms for a hundred call sites; with `sites: false` some microseconds per route. No pause, no garbage collection: what
 * has died since the last one still counts.
 * @param options.format `'object'` (default); `'pprof'`: a gzip'd protobuf with inuse_space, inuse_objects, alloc_space and
 * alloc_objects, for `go tool pprof`, speedscope and Pyroscope; `'folded'`: lines for flame graphs, live bytes
 * @param options.sites `false` leaves the call sites out (default: `true`; `'object'` only)
 * @throws {ERR_OFFHEAP_BUFFERS_NOT_TRACKED} if nobody has called `trackBuffers()` in this thread
 * @throws {ERR_INVALID_ARG_VALUE} for another format or an unknown option
 * @example
 * const fs = require('node:fs')
 * const { bufferProfile, trackBuffers } = require('offheap')
 * trackBuffers()
 * setInterval(() => fs.writeFileSync('buffers.pb.gz', bufferProfile({ format: 'pprof' })), 60_000).unref()
 * // go tool pprof -http=: buffers.pb.gz
 */
export function bufferProfile (options: { format: 'pprof' }): Buffer
export function bufferProfile (options: { format: 'folded' }): string
export function bufferProfile (options: { format?: 'object', sites: false }): BufferProfile & { sites: null }
export function bufferProfile (options?: { format?: 'object', sites?: true }): BufferProfile & { sites: BufferSite[] }
