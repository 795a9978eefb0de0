import type { Size } from './base.js'
import type { probe } from './probe.js'

/** Options of {@link census}. */
export interface CensusOptions {
  /**
   * Where the census runs (default: `'auto'`).
   * - `'probe'`: in a copy-on-write child. The JS thread pauses for one `fork()`.
   * - `'in-process'`: in this process. The JS thread pauses for the whole census.
   * - `'auto'`: in a child. With `fallback: true`, in this process where no child is possible.
   */
  mode?: 'auto' | 'probe' | 'in-process'
  /** With `mode: 'auto'`: run the census in this process, and pause the JS thread, where no child is possible (default: `false`). */
  fallback?: boolean
  /** Rows in each list, 1 to 1,000 (default: `10`). */
  top?: number
  /**
   * Add to each row the paths that retain it, from a heap snapshot taken at the same instant (default: `false`). Takes as much time and
   * memory as a snapshot.
   */
  retainers?: boolean
  /**
   * Time limit of the census, in ms (default: `600000`). A census that runs out of time returns the realms that it has read, with
   * `complete: false`. When it could not read even the main realm in this time, the child is killed (`ERR_OFFHEAP_PROBE_TIMEOUT`).
   */
  timeoutMs?: number
  /**
   * The longest pause of the JS thread, in ms, for a census in this process (default: `5000`). Realms that would take longer are left out,
   * with `complete: false`. The main realm is always read, and this cannot be interrupted: about 1 to 2 s per million objects.
   */
  maxPauseMs?: number
  /** Kills the child when it aborts. A census in this process cannot be interrupted. */
  signal?: AbortSignal
}

/** Views that are retained in the same way. */
export interface CensusRetainer {
  /** A retaining path, without keys and indices: `global.cache (Map) entry (Session).token (Buffer) → backing store`. */
  path: string
  /** How many views have this path. */
  count: number
}

/** Fields of every row of a census. */
export interface CensusRow {
  /**
   * The kind of the backing store. `'allocExternal'`: memory of `allocExternal()`. `'addon'`: memory of an addon, created while
   * `watchAddons()` was active.
   */
  kind: 'slab' | 'plain' | 'resizable' | 'shared' | 'wasm' | 'allocExternal' | 'addon'
  /**
   * The class of the longest view. Of views of the same length, a Buffer comes first, then other typed arrays, then a Uint8Array, then a
   * DataView. Without a view: the class of the ArrayBuffer.
   */
  className: string
  /** The length of the longest view; `null` without a view. */
  longestViewBytes: number | null
  /** The label of the longest view or of the store; `null` if neither is tracked. */
  label: string | null
  /** The route that it was tracked in; `null` without a route. */
  route: string | null
  /** With `retainers: true`: the shortest path from a GC root to one of the views; `null` if only the engine retains them. */
  path?: string | null
  /** With `retainers: true`: the most common paths to the views, at most three. */
  retainers?: CensusRetainer[]
}

/**
 * Backing stores with the same `kind`, class, label and route and, with `retainers: true`, the same path. The groups contain all stores,
 * not only those in `top`. Each list has the `top` largest groups.
 */
export interface CensusGroup {
  kind: CensusRow['kind']
  className: string
  label: string | null
  route: string | null
  /**
   * With `retainers: true`: the shortest path from a GC root to one of the views, without keys and indices; `null` if only the engine
   * retains them. Missing for stores outside the 10,000 largest of the list: those form a group of their own.
   */
  path?: string | null
  /** How many backing stores. */
  count: number
}

/** The result of {@link census}: what the views of an isolate pin. Bytes that several views reach count once. */
export interface Census {
  mode: 'probe' | 'in-process'
  /** How long the JS thread paused, in ms. */
  pauseMs: number
  /** From the call to the result, in ms. */
  durationMs: number
  /** How many children were forked; in this process, how often the census began. */
  attempts: number
  /** Whether all realms were read, and retaining paths were found where they were requested: `missing` is empty. */
  complete: boolean
  /**
   * What is missing. `'realms'`: the time limit passed before all realms were read. `'hidden-realms'`: some realms cannot be read.
   * `'retainers'`: the time did not allow a snapshot, so rows have no `path`.
   */
  missing: ('realms' | 'hidden-realms' | 'retainers')[]
  /**
   * Realms: the main realm and each vm context (jest has one per test file). Objects of an unseen realm are missing from all figures.
   * `count` is `readCount` plus `unseenCount`. `method` says how the objects were found. `'query-objects'` is used without permission for
   * the inspector; it sees the main realm only.
   */
  realms: { count: number, readCount: number, unseenCount: number, method: 'inspector' | 'query-objects' }
  /**
   * Names of figures that are lower limits because a realm was not read (`'views'`, `'slabs.bytes'`). Empty when all realms were read.
   * The other figures (waste, slices, `unviewed…`, `small…`) may then also be too high: an unread view may be one of the whole store.
   */
  lowerLimits: string[]
  /** Buffers, typed arrays and DataViews. `detachedCount`: views of ArrayBuffers that were transferred, or that shrank below the view. */
  views: { count: number, bufferCount: number, dataViewCount: number, emptyCount: number, detachedCount: number }
  /** Memory behind ArrayBuffers and SharedArrayBuffers, slabs included. */
  backingStores: {
    count: number
    bytes: number
    /** Stores without a view. */
    unviewedCount: number
    unviewedBytes: number
    /** Stores of up to 64 bytes with one view. V8 keeps these inside its heap until a census looks for them. */
    smallCount: number
    smallBytes: number
    sharedCount: number
    sharedBytes: number
    wasmCount: number
    wasmBytes: number
    resizableCount: number
    resizableBytes: number
    /** The size that resizable stores may grow to. */
    reservedBytes: number
    /**
     * Memory of Node's ArrayBuffer allocator that no object of this isolate shows; a lower bound. A `Blob` holds such memory, and so do
     * messages that were not received yet and ArrayBuffers that were transferred to another thread. `null` where a realm was not read. Also
     * `null` where it is outweighed by stores that Node's counter does not include: external Buffers of addons that are not watched, and
     * memory from other threads.
     */
    nativelyHeldBytes: number | null
    /** ArrayBuffers that were transferred. */
    detachedCount: number
  }
  /** Slabs of the Buffer pool. `pinned…`: only slices keep the slab alive, which is so for all slabs but the current one. */
  slabs: {
    /** The length of the current slab. */
    slabBytes: number
    count: number
    bytes: number
    sliceCount: number
    sliceBytes: number
    pinnedCount: number
    pinnedBytes: number
    /** Bytes of pinned slabs that no slice reaches. */
    wasteBytes: number
    /** The slabs with most waste. */
    top: (CensusRow & { bytes: number, sliceBytes: number, wasteBytes: number, sliceCount: number })[]
    /** Slabs with waste, grouped; the groups with most waste. */
    groups: (CensusGroup & { bytes: number, sliceBytes: number, wasteBytes: number, sliceCount: number })[]
  }
  /**
   * Views that reach a part of another store, where no view reaches the whole store. Shared memory and WebAssembly memory are never among
   * them.
   */
  slices: {
    count: number
    backingStoreCount: number
    viewBytes: number
    /** Bytes of the stores that these views keep alive. */
    pinnedBytes: number
    /** Bytes of these stores that no view reaches. */
    wasteBytes: number
    /** The stores with most waste. */
    top: (CensusRow & { viewBytes: number, bytes: number, wasteBytes: number, viewCount: number })[]
    /** Stores with waste, grouped; the groups with most waste. */
    groups: (CensusGroup & { viewBytes: number, bytes: number, wasteBytes: number, viewCount: number })[]
  }
  /** Backing stores of any kind. */
  large: {
    /** The largest stores. */
    top: (CensusRow & { bytes: number, viewBytes: number, viewCount: number })[]
    /** All stores, grouped; the groups with most bytes. A thousand Buffers of one Map are one row here. */
    groups: (CensusGroup & { bytes: number, viewBytes: number, viewCount: number })[]
  }
  /** Memory of `allocExternal()` behind ArrayBuffers. */
  allocExternal: { count: number, bytes: number }
  /**
   * Bytes of strings outside V8's heap: strings made from Buffers of about 1 MB and more, external strings of addons, Node's own sources
   * (1.5 to 4.5 MB). On Node 26, V8 counts a two-byte character as one byte, and so does this figure. `null` where a realm was not read;
   * and on Node 20 and 22 while there is a resizable ArrayBuffer.
   */
  externalStringBytes: number | null
  /** Readable and Writable streams, and responses without a socket. Byte figures are of streams that are not in object mode. */
  streams: {
    count: number
    /** Bytes that wait in streams: `readableBytes` plus `writableBytes`. */
    waitingBytes: number
    readableBytes: number
    writableBytes: number
    /** Objects that wait in streams in object mode. */
    waitingObjectCount: number
    overHighWaterMarkCount: number
    /** The streams with most waiting bytes. Lengths of a stream in object mode are numbers of objects. */
    top: {
      className: string
      waitingBytes: number
      readableLength: number | null
      readableHighWaterMark: number | null
      readableObjectMode: boolean | null
      writableLength: number | null
      writableHighWaterMark: number | null
      writableObjectMode: boolean | null
      /** With `retainers: true`: the shortest path from a GC root to the stream; `null` if only the engine retains it. */
      path?: string | null
    }[]
    /**
     * Streams in which bytes or objects wait, grouped by class; the groups with most bytes. With `retainers: true` also grouped by path,
     * without keys and indices, for the 10,000 streams with most bytes.
     */
    groups: { className: string, path?: string | null, count: number, waitingBytes: number, waitingObjectCount: number }[]
  }
}

/**
 * Counts every view and every backing store of this thread's isolate. Says which slabs and large ArrayBuffers are alive only because
 * a small view refers to them (docs/buffers.md). The figures are exact, and no other function has to run before.
 *
 * - By default a copy-on-write child counts, and this thread pauses for one `fork()`.
 * - In this process, the thread pauses for a full garbage collection and a pass over every object (1 to 2 s per million). Each vm context
 *   takes two more passes, while `maxPauseMs` allows it. V8 moves typed arrays of up to 64 bytes out of its heap.
 * - One census runs at a time in a thread. A call with the same options joins the running one.
 *
 * @throws {ERR_OFFHEAP_UNSUPPORTED_PLATFORM} (rejection) no child is possible here, and neither `fallback` nor `'in-process'` was passed;
 *   or, in this process, the inspector is not available
 * @throws {ERR_OFFHEAP_CENSUS_IN_PROGRESS} (rejection) this thread takes another census, with other options
 * @throws {ERR_OFFHEAP_NO_HEADROOM} (rejection) there is not enough memory for the child; the message has the figures
 * @throws {ERR_OFFHEAP_PROBE_FAILED} {ERR_OFFHEAP_PROBE_TIMEOUT} {ERR_OFFHEAP_PROBE_CRASHED} {ERR_OFFHEAP_PROBE_DEADLOCK} (rejection) as
 *   for {@link probe}
 * @throws {ERR_OFFHEAP_ABORTED} (rejection) `signal` aborted
 * @throws {ERR_OFFHEAP_BINDING_LOAD_FAILED} (rejection) there is no addon for this platform
 * @throws {ERR_INVALID_ARG_TYPE} {ERR_INVALID_ARG_VALUE} {ERR_OUT_OF_RANGE} (rejection) an option is wrong
 * @example
 * const { census } = require('offheap')
 * census({ fallback: true }).then(({ slabs, slices }) => {
 *   console.log(`${slabs.wasteBytes} bytes of slabs and ${slices.wasteBytes} bytes behind slices are pinned`)
 * })
 */
export function census (options?: CensusOptions): Promise<Census>

/**
 * Returns a copy of `view` with an ArrayBuffer of its own, when the view keeps more bytes alive than it uses. Otherwise returns the view
 * itself. Keep the result and drop the view: a slice of 50 bytes then does not pin its slab, and a header does not pin its upload.
 *
 * - The copy has the same type (Buffer, Float64Array, DataView, a subclass). It is over a SharedArrayBuffer if the view is.
 * - The copy is not resizable. It does not follow later changes of the original.
 *
 * Costs a copy of the view's bytes. No pause, no garbage collection.
 * @param options.ifWasteOver copy only when more than this many bytes of the ArrayBuffer are outside the view (default: `0`)
 * @throws {ERR_INVALID_ARG_TYPE} `view` is no view, or `ifWasteOver` is neither a number nor a string
 * @throws {ERR_INVALID_ARG_VALUE} `ifWasteOver` is a string that is no size, or an option is unknown
 * @throws {ERR_OUT_OF_RANGE} `ifWasteOver` is negative or no safe integer
 * @throws {RangeError} V8 has no memory for the copy
 * @example
 * const { unslab } = require('offheap')
 * const cache = new Map()
 * const packet = Buffer.alloc(10_000_000)
 * cache.set('token', unslab(packet.subarray(0, 32)))
 * console.log(cache.get('token').buffer.byteLength) // 32
 */
export function unslab<T extends NodeJS.ArrayBufferView> (view: T, options?: { ifWasteOver?: Size }): T
