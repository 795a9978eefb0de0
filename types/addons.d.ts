/** Live and total counts of one kind of thing. `null` where the addon is not counted. */
export interface AddonThings {
  /** Things that exist now. */
  liveCount: number | null
  /** Things created since watching began. */
  totalCount: number | null
}

/** Live and total counts of one kind of thing, with their bytes. */
export interface AddonBytes extends AddonThings {
  /** Bytes now. */
  liveBytes: number | null
  /** Bytes created since watching began. */
  totalBytes: number | null
}

/** The `napi_ref`s of one addon. `null` where the addon is not counted. */
export interface AddonReferences {
  /** References that the addon created and has not deleted. */
  liveCount: number | null
  /** Live references with a count above 0. They keep their object alive. */
  strongCount: number | null
  /** Live references with a count of 0. */
  weakCount: number | null
  /**
   * Weak references whose object was collected, and which the addon has not deleted yet. For another thread, the figure is from that
   * thread's own last reading. With more than some thousand weak references, offheap needs several readings to find them all.
   */
  outlivedCount: number | null
  /** References created since watching began. */
  totalCount: number | null
  /** References deleted since watching began. */
  deletedCount: number | null
  /** The sum of the counts of all live references. */
  countSum: number | null
  /** The highest count that a single reference has had. */
  highestCount: number | null
}

/**
 * Growth of what one addon holds, since an earlier reading; negative when it holds less. Most figures are 0 most of the time. docs/addons.md
 * has a loop that prints the others, one line for each addon. {@link AddonRow.collectedSince} says whether garbage may be included.
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
  /** Pending finalizers. */
  finalizers: number
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
 * What one addon holds through Node-API in one thread. With `coverage: 'none'` the figures are `null`, never 0. docs/addons.md explains
 * each figure.
 */
export interface AddonRow {
  /** The unique number of this environment; it is never used again. `null` for an addon that has not called Node-API yet. */
  id: number | null
  /** The path of the addon's file. */
  file: string
  /** The package that contains the file, without the platform (`'@img/sharp'`). Without a package: the name of the file. */
  name: string
  /** The thread; 0 is the main thread. `null` for a worker that did not load offheap, and for an addon that has not called Node-API yet. */
  threadId: number | null
  /** The operating system's number of the thread; `null` for an addon that has not called Node-API yet. */
  osThreadId: number | null
  /** When the addon was loaded (ISO 8601, UTC); `null` when it was loaded before watching began. */
  loadedAt: string | null
  /** The API that the addon uses. What an addon holds through V8's C++ API cannot be counted. */
  api: 'node-api' | 'v8'
  /** Whether offheap counts all Node-API calls since the addon was loaded, some of them, or none. */
  coverage: 'full' | 'partial' | 'none'
  /** Why the coverage is not `'full'`; `null` when it is. */
  coverageReason: string | null
  references: AddonReferences
  /** `napi_wrap`: JavaScript objects that own a native object. */
  wraps: AddonThings
  /** `napi_create_external`. */
  externals: AddonThings
  /** `napi_create_external_arraybuffer`. */
  externalArrayBuffers: AddonBytes
  /** `napi_create_external_buffer`. */
  externalBuffers: AddonBytes
  /** `node_api_create_external_string_latin1` and `_utf16`. */
  externalStrings: AddonBytes
  /** `node_api_create_external_sharedarraybuffer`, on Node lines that have it. Live until the last thread has released it. */
  externalSharedArrayBuffers: AddonBytes
  /** `napi_create_buffer` and `_copy`: memory that Node allocates. Live figures are `null` without `watchAddons({ buffers: true })`. */
  buffers: AddonBytes
  /** `napi_create_arraybuffer`: memory that Node allocates. Live figures are `null` without `watchAddons({ buffers: true })`. */
  arrayBuffers: AddonBytes
  /** Finalizers of the addon that are pending. */
  finalizers: { pendingCount: number | null }
  /** Bytes that the addon declared with `napi_adjust_external_memory`, minus the bytes that it took back. */
  adjustedExternalBytes: number | null
  /** The lowest value of `adjustedExternalBytes` since watching began. Below 0, the addon took back more than it declared. */
  lowestAdjustedExternalBytes: number | null
  /** `napi_create_threadsafe_function`; live while a thread holds it. */
  threadsafeFunctions: AddonThings
  /** `napi_create_promise`. An unsettled promise retains every function that awaits it. */
  deferreds: { unsettledCount: number | null, totalCount: number | null }
  /** `napi_create_async_work`; live until deleted. */
  asyncWorks: AddonThings
  /** `napi_add_async_cleanup_hook`; live until removed. */
  asyncCleanupHooks: AddonThings
  /** Whether the addon has set instance data. */
  instanceData: boolean | null
  /**
   * With `watchAddons({ stacks })`: the places where sampled things were created, most live things first, at most 20. `null` in rows of
   * other threads.
   */
  stacks?: AddonSite[] | null
  /** With `since`: growth since that reading; `null` with `coverage: 'none'`. */
  growth?: AddonGrowth | null
  /**
   * With `since`: whether V8 has finished a full garbage collection of this thread since that reading.
   * - `false`: all of `growth` may be garbage.
   * - `true`: things that were garbage at `since` are released, or their finalizers run in this event-loop tick or the next. Things that
   *   became garbage after that collection are still in `growth`. `settledAddons()` reads right after a collection.
   * - `null`: the row is of another thread, or `since` is a copy of a reading.
   */
  collectedSince?: boolean | null
}

/** A place in an addon where sampled things were created. */
export interface AddonSite {
  /** The kind of thing. `'reference'` is one of `napi_create_reference`. */
  kind: 'reference' | 'wrap' | 'external' | 'externalArrayBuffer' | 'externalBuffer' | 'buffer' | 'arrayBuffer' | 'finalizer'
  /** Sampled things that are live. Multiplied by `everyNth`, about the number of all live things. */
  liveCount: number
  /** Sampled things since watching began. */
  totalCount: number
  /** The native functions, innermost first. The list ends where JavaScript begins. */
  frames: AddonFrame[]
}

/** A native function on a stack. */
export interface AddonFrame {
  /** The path of the file that contains the function. */
  file: string | null
  /** The function's name as the file exports it (C++ and Rust names are mangled); `null` when the file does not export it. */
  symbol: string | null
  /** Offset in the function, in bytes. Without a name: offset in the loaded file (for `addr2line -e`). */
  offset: number
}

export interface WatchAddonsOptions {
  /**
   * Also count the live Buffers and ArrayBuffers that Node allocates for addons (default: `false`, which counts their totals only). Each
   * of them then has a finalizer, which costs about 300 ns. `napi_create_buffer` itself costs 500 ns or more.
   */
  buffers?: boolean
  /**
   * Record the native stack where things are created, so that growth names a function (default: `false`). In each thread and for each
   * addon, one thing in `everyNth` is sampled, beginning with the first: 1 to 1,000,000 (default: `100`). Each sample costs 1 to 10 µs.
   */
  stacks?: boolean | { everyNth?: number }
}

/** One call of {@link watchAddons}. */
export interface AddonWatch {
  /** Whether `stop()` was not called yet. */
  readonly active: boolean
  /** Ends this watch; a second call does nothing. The last watch to end puts the original function back into every import slot that still has a hook. */
  stop (): void
  /** The same as `stop()`, for `using`, where the runtime has `Symbol.dispose`. */
  [Symbol.dispose] (): void
}

/**
 * Starts counting what every native addon holds through Node-API, in all threads. Patches the import slots of all loaded addons, and of
 * each addon that is loaded later (docs/addons.md). `require('offheap')` alone patches nothing.
 *
 * - Call it before the addons are loaded. For an addon that is loaded already, only later calls are counted.
 * - Several watches share one patch. The last watch to stop removes it. A watch of a worker ends with the worker.
 *
 * Costs some milliseconds once, about as much for each addon that is loaded later, and some nanoseconds for each counted call. No pause,
 * no garbage collection.
 * @throws {ERR_OFFHEAP_UNSUPPORTED_PLATFORM} this is not Node on Linux x86-64 with glibc
 * @throws {ERR_OFFHEAP_WATCH_REFUSED} the node image cannot be patched, or another tool or copy of offheap has patched it. Nothing is
 *   patched.
 * @throws {ERR_OFFHEAP_BINDING_LOAD_FAILED} there is no addon for this platform
 * @throws {ERR_INVALID_ARG_TYPE} `buffers` is no boolean, or `stacks` is neither a boolean nor an object
 * @throws {ERR_OUT_OF_RANGE} `everyNth` is outside its range
 * @throws {ERR_INVALID_ARG_VALUE} an option is unknown
 * @example
 * const { addons, watchAddons } = require('offheap')
 * const watch = watchAddons()
 * for (const { name, references } of addons().rows) console.log(name, references.liveCount)
 * watch.stop()
 */
export function watchAddons (options?: WatchAddonsOptions): AddonWatch

/** The result of {@link addons}. */
export interface AddonsReading {
  /**
   * The number of the watch that counted; `null` while addons are not watched. When the last watch stops and another one begins, counting begins
   * anew: then `growth` since a reading of the earlier watch is `null`.
   */
  watchNumber: number | null
  /** One row for each addon and thread, and one for each addon that has not called Node-API yet. */
  rows: AddonRow[]
  /** V8's own figures for this thread, to compare with the rows. */
  checks: AddonChecks
}

/**
 * Reads what every addon of the process holds. For this thread it also reads V8's own figures, which do not depend on the hooks.
 *
 * When a worker ends, its rows disappear. While addons are not watched, there are rows, and their figures are `null`.
 *
 * Costs some tens of microseconds. No pause, no garbage collection.
 * @param options.since an earlier reading (default: none). Rows then have `growth`, which includes garbage that V8 has not collected yet,
 *   and `collectedSince`.
 * @throws {ERR_OFFHEAP_UNSUPPORTED_PLATFORM} this is not Node on Linux x86-64 with glibc
 * @throws {ERR_OFFHEAP_BINDING_LOAD_FAILED} there is no addon for this platform
 * @throws {ERR_INVALID_ARG_TYPE} `since` is not a result of `addons()` or `settledAddons()`
 * @throws {ERR_INVALID_ARG_VALUE} an option is unknown
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
  /** An earlier result of `addons()` or `settledAddons()` (default: none). Rows then have `growth` and `collectedSince`. */
  since?: AddonsReading
  /**
   * Force two to five full garbage collections, until two readings agree (default: `false`). Each one pauses the JS thread: 6 to 20 ms with
   * a heap of 5 MB, 170 to 230 ms with 110 MB. Do not use it in a service under load.
   */
  force?: boolean
  /** Ends the waiting. It does not interrupt a collection. */
  signal?: AbortSignal
}

/**
 * Waits for a full garbage collection of this thread and its finalizers, and then reads as `addons()` does. `growth` then contains what the
 * addons hold, and no garbage from before the collection. Rows of other threads are the same as in `addons()`.
 *
 * Without `force` it waits for the next full collection that V8 runs by itself. The wait costs nothing, and can take minutes in a service
 * that allocates little. It does not keep the process alive. With `force` it pauses the JS thread.
 * @throws {ERR_OFFHEAP_UNSUPPORTED_PLATFORM} (rejection) this is not Node on Linux x86-64 with glibc
 * @throws {ERR_OFFHEAP_BINDING_LOAD_FAILED} (rejection) there is no addon for this platform
 * @throws {ERR_OFFHEAP_ABORTED} (rejection) `signal` aborted
 * @throws {ERR_INVALID_ARG_TYPE} {ERR_INVALID_ARG_VALUE} (rejection) an option is wrong
 * @example
 * const { addons, settledAddons, watchAddons } = require('offheap')
 * const watch = watchAddons()
 * settledAddons({ since: addons(), force: true }).then(({ rows }) => {
 *   for (const { name, growth } of rows) console.log(name, growth)
 *   watch.stop()
 * })
 */
export function settledAddons (options?: SettledAddonsOptions): Promise<AddonsReading>

/** V8's own figures for this thread, compared with what its addons hold. Bytes; `null` while addons are not watched. */
export interface AddonChecks {
  /** V8's global handles. */
  globalHandlesBytes: number
  /** The part that belongs to references of addons: 32 bytes for each reference whose object is not collected. */
  liveReferencesBytes: number | null
  /** The rest: Node's own handles, functions and wraps of addons, offheap's references. */
  unattributedGlobalHandlesBytes: number | null
  /** V8's external counter. */
  declaredExternalBytes: number
  /** The part that belongs to addons: their external Buffers, ArrayBuffers and strings, and the memory that they declared. */
  addonExternalBytes: number | null
  /** The same as in `memory()`: ArrayBuffers and Buffers that Node allocated. */
  arrayBuffers: number | null
  /**
   * `declaredExternalBytes` minus `addonExternalBytes` minus `arrayBuffers`. It includes strings outside the heap, resizable and
   * WebAssembly memory, memory that Node itself declares, and for a moment ArrayBuffers that V8 is freeing. SharedArrayBuffers, and memory
   * that a `Blob` or a pending message holds, reduce it. So it does not accuse an addon, and it can be below 0. `census()` says how much
   * of it is strings, and how much has no object.
   */
  unattributedExternalBytes: number | null
  /**
   * Declared memory that no watched addon declared: `declaredExternalBytes` minus `external` minus the memory that watched addons
   * declared. It belongs to Node's zlib, to addons that use V8's C++ API, and to addons that declared it before watching began. Strings,
   * ArrayBuffers and a `Blob` do not change it. It begins at -1.5 to -4.5 MB, because Node's own sources are in `external` and are not
   * declared: look at its growth. docs/memory.md says what WebAssembly memory and resizable ArrayBuffers add on each line of Node.
   */
  unattributedDeclaredBytes: number | null
  /** Addons that took back more external memory than they declared, in any thread. */
  warnings: AddonWarning[]
}

/** An addon with a counter below zero, which ends the process on Node 24 and 26. */
export interface AddonWarning {
  /** The code. Codes are permanent; messages may change. */
  code: 'external-memory-below-zero'
  /** The addon's name, as in {@link AddonRow}. */
  addon: string
  file: string
  threadId: number | null
  message: string
}
