/** Node's pool of small Buffers, and the pool's slabs in this thread (docs/buffers-profile.md). */
export interface BufferPool {
  /** Slabs that offheap has seen in this thread. With `coverage: 'partial'`, Node made at least this many. */
  createdCount: number
  /** Slabs of `createdCount` that are alive: the current slab, and the slabs that slices keep alive. */
  liveCount: number
  /**
   * The standard error of `liveCount`; 0 means exact. While `trackBuffers()` runs and Node makes more than some thousand slabs a second,
   * offheap observes one slab in several, and that slab stands for the others.
   */
  liveCountStandardError: number
  /** Bytes of the live slabs, used or not. */
  liveBytes: number
  /** Bytes of the slabs that only slices keep alive: all live slabs but the current one. `census()` says how much of it no slice uses. */
  pinnedBytes: number
  /**
   * The slab that Node cuts the next small Buffer from. offheap finds it by allocating one small Buffer (8 bytes). `null` when the pool
   * is switched off (`Buffer.poolSize` below 4).
   */
  currentSlab: { byteLength: number, usedBytes: number, freeBytes: number } | null
  /**
   * `'full'` while `trackBuffers()` runs: each slab made since `fullCoverageAt` is counted. `'partial'` otherwise: offheap changes nothing
   * in Node, and counts only the slabs that were current when the pool was read, by `memory()` or by a sample of a Monitor.
   */
  coverage: 'full' | 'partial'
  /** Why the coverage is partial; `null` when it is full. */
  coverageReason: string | null
  /** When full coverage began (ISO 8601, UTC); `null` while coverage is partial. */
  fullCoverageAt: string | null
}

/**
 * Memory figures of this isolate and its process at one moment, in bytes. A figure that cannot be measured is `null`, never 0.
 * docs/memory.md says how the figures overlap.
 */
export interface Memory {
  /** Process: the resident set. All pages of the process that are in physical memory, shared pages included. */
  rss: number | null
  /** Process: resident pages without a file behind them (heaps, Buffers, stacks). Linux. */
  rssAnonBytes: number | null
  /** Process: resident pages of mapped files, the Node binary among them. Linux. */
  rssFileBytes: number | null
  /** Process: resident pages of shared memory and tmpfs. Linux. */
  rssShmemBytes: number | null
  /** Isolate: V8's heap, committed. */
  heapTotal: number
  /** Isolate: V8's heap, in use. */
  heapUsed: number
  /**
   * Isolate: V8's limit on its heap. It includes three times the largest young generation. V8 gives up before this limit: when the old
   * generation reaches `--max-old-space-size`, or a worker's `resourceLimits`.
   */
  heapLimitBytes: number
  /**
   * Isolate: bytes outside the heap that belong to objects of V8: ArrayBuffers, external Buffers of addons, large strings. Memory that
   * addons declare is not included.
   */
  external: number
  /**
   * Isolate: memory of Node's ArrayBuffer allocator: ArrayBuffers, Buffers, SharedArrayBuffers, and memory without an object (held by a
   * `Blob` or by a message that was not received yet). `census()` says how much has no object.
   */
  arrayBuffers: number | null
  /**
   * Isolate: `external` minus `arrayBuffers`: external Buffers of addons, strings outside the heap, resizable ArrayBuffers. The figure is
   * too low by the SharedArrayBuffers and by the memory without an object: those are in `arrayBuffers` and not in `external`. `null`
   * where the difference would be negative.
   */
  otherExternalBytes: number | null
  /**
   * Isolate: V8's own external counter. It includes `external` without Node's own sources (1.5 to 4.5 MB), and all declared memory
   * (`napi_adjust_external_memory`, Node's zlib). On Node 20 and 22 V8 counts growth of WebAssembly memory twice, and never subtracts the
   * second count (docs/memory.md).
   */
  declaredExternalBytes: number
  /** Isolate: live bytes of tracked external allocations. */
  trackedExternalBytes: number
  /** Isolate: V8's global handles. Each live `napi_ref` of any addon takes 32 bytes of it. */
  globalHandlesBytes: number
  /** The smallest memory limit of this process's cgroup and its ancestors; `null` without a limit. Linux. */
  cgroupLimitBytes: number | null
  /**
   * Memory use of the cgroup that has the limit, other processes and file cache included. Without a limit, of this process's own cgroup.
   * `null` when the cgroup that has the limit is not visible from this process. Linux.
   */
  cgroupUsageBytes: number | null
  /** `cgroupUsageBytes` minus the file cache that the kernel would drop first. Kubernetes calls it the working set. Linux. */
  cgroupWorkingSetBytes: number | null
  /** The cgroup version that accounts for this process's memory. Linux. */
  cgroupVersion: 1 | 2 | null
  /** Memory of the machine. Linux. */
  machineTotalBytes: number | null
  /** Memory of the machine that is available without swapping. Linux. */
  machineAvailableBytes: number | null
  /** The smaller one of `cgroupLimitBytes` and `machineTotalBytes`. */
  containerTotalBytes: number | null
  /** Isolate: Node's pool of small Buffers; `null` when there is no memory for a slab at this moment. */
  bufferPool: BufferPool | null
}

/**
 * Reads Node's memory figures and further ones, for this isolate (main thread or worker) and its process.
 *
 * Costs about 0.1 ms on this thread (some small files of `/proc` and the cgroup), and 8 bytes of the Buffer pool. No pause, no garbage
 * collection.
 * @throws {ERR_OFFHEAP_BINDING_LOAD_FAILED} there is no addon for this platform
 * @example
 * const { memory } = require('offheap')
 * const { rss, containerTotalBytes } = memory()
 * if (rss !== null && containerTotalBytes !== null) console.log(`${Math.round(100 * rss / containerTotalBytes)} % of what there is`)
 */
export function memory (): Memory

export interface ResidentBreakdownOptions {
  /**
   * Ask malloc how much of its memory is in use, and how much is free but not given back (default: `true`). While malloc counts, it locks
   * its arenas, and every thread that allocates waits: 290 to 780 ms with 1.5 million free blocks. With `false` no thread waits, and
   * malloc's memory is in `mallocUndividedBytes`.
   */
  malloc?: boolean
}

/** Parts of the resident set, in bytes. The rows from `v8HeapBytes` to `unexplainedBytes` add up to `rss`, exactly. `null` means "cannot be measured". */
export interface ResidentBreakdown {
  /** The resident set, as the sum of all mappings. */
  rss: number
  /** Process: pages that V8 mapped: heaps and code of all isolates, resizable ArrayBuffers. */
  v8HeapBytes: number
  /** Process: WebAssembly memories. */
  wasmBytes: number
  /** Isolate: resident part of the ArrayBuffers, Buffers and SharedArrayBuffers that Node allocated. */
  arrayBuffersResidentBytes: number
  /**
   * Process: malloc's memory in use, without `arrayBuffersResidentBytes`; an upper bound. It includes what addons and zlib declare, large
   * strings, and Buffers of other isolates, unless another allocator has them. `null` without glibc ≥ 2.33 and with `malloc: false`. Also
   * `null` where ArrayBuffers with untouched pages claim more than malloc has resident.
   */
  mallocInUseBytes: number | null
  /**
   * Process: malloc's memory that is free and still resident; a lower bound, and `mallocFreeAtMostBytes` is the upper bound. `trim()` gives
   * it back to the system. `null` without glibc ≥ 2.33 and with `malloc: false`.
   */
  mallocFreeBytes: number | null
  /** Process: malloc's memory without `arrayBuffersResidentBytes`, in use or free; `null` when the two rows above divide it. */
  mallocUndividedBytes: number | null
  /** Process: stacks of threads. The stack of a thread that runs at this moment may be in `unexplainedBytes` instead. */
  threadStacksBytes: number
  /** Process: mapped files: binaries and libraries, with the pages that they changed. */
  fileMappingsBytes: number
  /** Process: shared memory. */
  sharedMemoryBytes: number
  /** Process: anonymous memory of a known other kind: zeroed data of libraries, mappings with a name. */
  otherAnonymousBytes: number
  /** Process: anonymous memory of unknown owner: allocators that addons bring along, mappings of their own. Never negative. */
  unexplainedBytes: number
  /**
   * Isolate, not a row of the sum: other external memory that V8 counts: external Buffers of addons, strings, declared memory. It is not
   * measured: it is in `mallocInUseBytes`, in `unexplainedBytes`, or not resident. `null` where SharedArrayBuffers and memory without an
   * object outweigh it.
   */
  otherDeclaredBytes: number | null
  /** Not a row of the sum: the upper bound of `mallocFreeBytes`; `null` when that is `null`. */
  mallocFreeAtMostBytes: number | null
  /** Not a row of the sum: large blocks that malloc gave out and that are not resident: never touched, or swapped out. */
  notResidentBytes: number | null
  /** Not a row of the sum: memory in swap. */
  swappedBytes: number
  /** The largest regions of `unexplainedBytes`, largest first, at most five. `name` is the address range. */
  largest: Array<{ bytes: number, name: string }>
}

/**
 * Divides the resident set into its parts. Reads `/proc/self/smaps` and malloc's counters on another thread.
 *
 * Takes 9 to 35 ms at 0.2 GB, and 60 to 150 ms at 1.5 GB in 3,500 mappings. During that time this thread may wait for memory: up to 7 and
 * 24 ms in the same runs, and much longer when malloc has a million free blocks (see `options.malloc`). No garbage collection is forced.
 * @throws {ERR_INVALID_ARG_TYPE} {ERR_INVALID_ARG_VALUE} an option is wrong. These two are thrown at once and do not reject.
 * @throws {ERR_OFFHEAP_UNSUPPORTED_PLATFORM} (rejection) `support().residentBreakdown` is not available
 * @throws {ERR_OFFHEAP_READ_FAILED} (rejection) `smaps` cannot be read at this moment, because file descriptors or memory are short
 * @throws {ERR_OFFHEAP_BINDING_LOAD_FAILED} (rejection) there is no addon for this platform
 * @example
 * const { residentBreakdown } = require('offheap')
 * residentBreakdown().then(({ rss, mallocFreeBytes }) => {
 *   console.log(`malloc holds ${mallocFreeBytes} free bytes of ${rss}`)
 * })
 */
export function residentBreakdown (options?: ResidentBreakdownOptions): Promise<ResidentBreakdown>

/** The effect of `trim()`. Both figures are `null` where `support().trim` is not available. */
export interface TrimResult {
  /** Resident bytes before minus resident bytes after; never negative. */
  releasedBytes: number | null
  /** How long malloc was busy, in ms. */
  durationMs: number | null
}

/**
 * Gives malloc's free memory back to the system (`malloc_trim(0)`), on another thread.
 *
 * Takes about 0.1 to 0.2 ms per MB that is given back. malloc locks the arena it works on, so this thread waits for most of that time as
 * soon as it allocates. No garbage collection is forced: memory that JavaScript still holds is not free.
 * @throws {ERR_OFFHEAP_BINDING_LOAD_FAILED} (rejection) there is no addon for this platform
 * @example
 * const { trim } = require('offheap')
 * trim().then(({ releasedBytes }) => console.log(`${releasedBytes} bytes went back`))
 */
export function trim (): Promise<TrimResult>
