/** Node's pool, from which small Buffers are cut, and its slabs in this thread. docs/buffers-profile.md. */
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
  /** Those of them that slices alone keep alive: all but the current slab. `census()` says how much of it no slice uses. */
  pinnedBytes: number
  /**
   * The slab that the next small Buffer is cut from, found by cutting one (8 bytes). `null` when the pool is switched off
   * (`Buffer.poolSize` below 4).
   */
  currentSlab: { byteLength: number, usedBytes: number, freeBytes: number } | null
  /**
   * `'full'` while `trackBuffers()` runs: each slab made since `fullCoverageAt` was counted. `'partial'` otherwise: nothing of Node
   * is changed then, and only slabs are counted that were current at a reading, or at a sample of a Monitor.
   */
  coverage: 'full' | 'partial'
  /** Why coverage is partial. */
  coverageReason: string | null
  /** Since when coverage has been full (ISO 8601, UTC). */
  fullCoverageAt: string | null
}

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
  /** Isolate: Node's pool of small Buffers; `null` at a moment when there is no memory for a slab. */
  bufferPool: BufferPool | null
}

/**
 * Reads Node's memory figures and those that Node lacks, for this isolate (main thread or worker) and its process.
 * Costs about 0.1 ms on this thread (some small files of `/proc` and the cgroup) and 8 bytes of the Buffer pool; no pause, no garbage
 * collection.
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
  wasmBytes: number
  /** Isolate: resident part of ArrayBuffers, Buffers and SharedArrayBuffers that Node allocated. */
  arrayBuffersResidentBytes: number
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
