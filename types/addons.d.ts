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
 * What one addon holds more than it did; negative is less. Most of its figures are 0 most of the time: docs/addons.md has a loop that
 * prints those which are not, a line for each addon. `AddonRow.collectedSince` says whether garbage may be among it.
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
 * made-up 0. docs/addons.md says what each means.
 */
export interface AddonRow {
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
 * are loaded, and of each that is loaded from now on (docs/addons.md). `require('offheap')` alone patches nothing.
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
 * for (const { name, references } of addons().rows) console.log(name, references.liveCount)
 * watch.stop()
 */
export function watchAddons (options?: WatchAddonsOptions): AddonWatch

/** What `addons()` read. */
export interface AddonsReading {
  /** A row for each addon and thread, and one for each addon that has called nothing yet. */
  rows: AddonRow[]
  /** What V8 says of this thread, to compare the rows with. */
  checks: AddonChecks
}

/**
 * Reads what every addon of the process holds, and checks from outside of the hooks what those of this thread hold. Costs some tens of
 * microseconds; no pause, no garbage collection. The rows of a worker go with it. While addons are not watched the rows are there, and their figures are
 * `null`.
 * @param options.since an earlier reading: rows then have `growth`, which has garbage in it that nobody has collected yet, and `collectedSince`
 * @throws {ERR_OFFHEAP_UNSUPPORTED_PLATFORM} elsewhere than in Node on Linux x86-64 with glibc
 * @throws {ERR_INVALID_ARG_TYPE} if `since` is not what `addons()` returned
 * @throws {ERR_INVALID_ARG_VALUE} if an option is unknown
 * @example
 * const { addons, watchAddons } = require('offheap')
 * const watch = watchAddons()
 * const before = addons()
 * for (const { name, growth } of addons({ since: before }).rows) {
 *   if (growth && growth.references > 0) console.log(`${name} holds ${growth.references} more references`)
 * }
 * watch.stop()
 */
export function addons (options?: { since?: AddonsReading }): AddonsReading

export interface SettledAddonsOptions {
  /** An earlier reading, of `addons()` or `settledAddons()`: rows then have `growth` and `collectedSince`. */
  since?: AddonsReading
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
 * settledAddons({ since: addons(), force: true }).then(({ rows }) => {
 *   for (const { name, growth } of rows) console.log(name, growth)
 *   watch.stop()
 * })
 */
export function settledAddons (options?: SettledAddonsOptions): Promise<AddonsReading>

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
  /** As in `memory()`: ArrayBuffers and Buffers that Node allocated. */
  arrayBuffers: number | null
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
  /** Its name, as in `AddonRow`. */
  addon: string
  file: string
  threadId: number | null
  message: string
}
