import type { Size } from './base.js'
import type { probe } from './probe.js'

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
   * How long the census may take, in ms (default: `600000`). Before that time is up it is handed out with what has been read until then,
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
export interface CensusRetainer {
  /** A retaining path, with keys and indices left out: `global.cache (Map) entry (Session).token (Buffer) → backing store`. */
  path: string
  /** How many views. */
  count: number
}

/** What every row of a census says. */
export interface CensusRow {
  /** What the backing store is. `'allocExternal'`: memory of `allocExternal()`. `'addon'`: memory of an addon, made while `watchAddons()` watched it. */
  kind: 'slab' | 'plain' | 'resizable' | 'shared' | 'wasm' | 'allocExternal' | 'addon'
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
  retainers?: CensusRetainer[]
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
   * Figures that are lower limits, by name (`'views'`, `'slabs.bytes'`), because a realm was not read; empty otherwise. The rest
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
    bytes: number
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
    bytes: number
    sliceCount: number
    sliceBytes: number
    pinnedCount: number
    pinnedBytes: number
    wasteBytes: number
    /** Those that waste most. */
    top: (CensusRow & { bytes: number, sliceBytes: number, wasteBytes: number, sliceCount: number })[]
    /** Those that waste something, grouped; the groups that waste most. */
    groups: (CensusGroup & { bytes: number, sliceBytes: number, wasteBytes: number, sliceCount: number })[]
  }
  /** Views of parts of other stores, where no view of the whole is left. Shared and WebAssembly memory is never among them. */
  slices: {
    count: number
    backingStoreCount: number
    viewBytes: number
    pinnedBytes: number
    wasteBytes: number
    /** Those that waste most. */
    top: (CensusRow & { viewBytes: number, bytes: number, wasteBytes: number, viewCount: number })[]
    /** Those that waste something, grouped; the groups that waste most. */
    groups: (CensusGroup & { viewBytes: number, bytes: number, wasteBytes: number, viewCount: number })[]
  }
  /** Backing stores of any kind. */
  large: {
    /** The largest ones. */
    top: (CensusRow & { bytes: number, viewBytes: number, viewCount: number })[]
    /** All of them, grouped; the groups with most bytes. A thousand Buffers of one Map are one row here. */
    groups: (CensusGroup & { bytes: number, viewBytes: number, viewCount: number })[]
  }
  /** Memory of `allocExternal()` behind ArrayBuffers. */
  allocExternal: { count: number, bytes: number }
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
 * because something small points at them (docs/buffers.md). Exact; nothing has to run before.
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
