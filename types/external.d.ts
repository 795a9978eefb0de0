import type { Size } from './base.js'

export interface TrackOptions {
  /**
   * The label that the value counts under: 1 to 256 characters (default: `'(unlabelled)'`). A process keeps 4,096 labels apart. Later
   * labels count together as `'(other)'`, and `labelsFolded` is then `true`.
   */
  label?: string
  /** Bytes that the value stands for (default: the value's own `byteLength`). Required for a value that is no buffer. */
  byteLength?: Size
}

/**
 * Counts a value as an external allocation until it is garbage-collected, and returns the value. Does not keep the value alive.
 *
 * - A value counts once. A second call changes its label and byteLength, where they are given.
 * - A release is counted in an event-loop tick after the collection of the value.
 * - The value counts in the process, and in the environment (main thread or worker) that tracks it. When a worker ends, its values leave
 *   the live counts.
 * - Inside a route context (`offheap/express`) the value also counts under the route.
 * - Where there is no addon for the platform, `track()` returns the value and counts nothing, so that no request fails. `support()`
 *   says why.
 *
 * Cost (docs/external.md): for a Buffer or another view, about as much as `FinalizationRegistry.prototype.register`. For a plain object
 * or an ArrayBuffer, twice that. For a view of up to 64 bytes at the start of its ArrayBuffer, several times that. No pause, no garbage
 * collection.
 * @param value Buffer, TypedArray, DataView, ArrayBuffer, SharedArrayBuffer, or any object together with `byteLength`
 * @throws {ERR_INVALID_ARG_TYPE} `value` is no object, or has no byteLength and none is given
 * @throws {ERR_OUT_OF_RANGE} `byteLength` is negative or no safe integer, or the label is longer than 256 characters
 * @throws {ERR_INVALID_ARG_VALUE} the label is empty, `byteLength` is a string that is no size, or an option is unknown
 * @example
 * const { track, externalAllocations } = require('offheap')
 * const image = track(Buffer.alloc(1_000_000), { label: 'images' })
 * console.log(externalAllocations().labels.images.liveBytes, image.length) // 1000000 1000000
 */
export function track<T extends object> (value: T, options?: TrackOptions): T

/**
 * Stops counting a value, at once. Its bytes leave the live counts and stay in the totals. Memory from `allocExternal()` is still
 * freed when the Buffer is collected. No pause, no garbage collection.
 * @returns whether the value was counted. Always `false` where there is no addon for the platform.
 * @throws {ERR_INVALID_ARG_TYPE} `value` is no object
 * @example
 * const { track, untrack } = require('offheap')
 * const buffer = track(Buffer.alloc(1_000))
 * console.log(untrack(buffer), untrack(buffer)) // true false
 */
export function untrack (value: object): boolean

/**
 * Allocates zeroed native memory that offheap owns, and returns it as an external Buffer. The memory counts until it is freed. It is
 * freed when the Buffer and every view made from it are collected.
 *
 * - V8 counts the bytes exactly once, in `process.memoryUsage().external`. They are not in `arrayBuffers`.
 * - Pages that are never written take no physical memory.
 * - Where the engine refuses external Buffers (Electron), the result is an ordinary Buffer. It counts in the same way.
 *
 * Costs one native allocation. No pause, no garbage collection.
 * @param byteLength 0 to `buffer.constants.MAX_LENGTH`; a number, or a string such as `'64MiB'`
 * @param options.label as for `track()` (default: `'(unlabelled)'`)
 * @throws {ERR_INVALID_ARG_TYPE} `byteLength` is neither a number nor a string, or the label is no string
 * @throws {ERR_INVALID_ARG_VALUE} the string is no size, the label is empty, or an option is unknown
 * @throws {ERR_OUT_OF_RANGE} `byteLength` is outside its range, or the label is longer than 256 characters
 * @throws {ERR_OFFHEAP_OUT_OF_MEMORY} the system has no such memory; nothing is allocated or counted
 * @throws {ERR_OFFHEAP_BINDING_LOAD_FAILED} there is no addon for this platform
 * @example
 * const { allocExternal } = require('offheap')
 * const frame = allocExternal(1920 * 1080 * 4, { label: 'frames' })
 * console.log(frame.length) // 8294400
 */
export function allocExternal (byteLength: Size, options?: { label?: string }): Buffer

/** Live, total and peak figures, in bytes and as counts. */
export interface Tally {
  /** Bytes now. */
  liveBytes: number
  /** Values now. */
  liveCount: number
  /** Bytes since the start. */
  totalBytes: number
  /** Values since the start. */
  totalCount: number
  /** The highest `liveBytes` since the start. */
  peakBytes: number
  /** The highest `liveCount` since the start; not necessarily at the moment of `peakBytes`. */
  peakCount: number
}

/** The tallies of the tracked external allocations. The labels add up to the whole, and so do the routes. */
export interface ExternalAllocations extends Tally {
  /** By label. Values without a label are under `'(unlabelled)'`. */
  labels: Record<string, Tally>
  /** By the route that was served when the value was tracked. Values tracked outside of a route are under `'(no route)'`. */
  routes: Record<string, Tally>
  /** Whether there were more labels than offheap keeps apart (4,096). The others are under `'(other)'`. */
  labelsFolded: boolean
  /** Whether there were more routes than offheap keeps apart (1,024). The others are under `'(other)'`. */
  routesFolded: boolean
}

/**
 * Reads the tallies of the tracked external allocations. Costs some microseconds, and about one more per label. No pause, no garbage
 * collection.
 * @param options.scope `'environment'`: this thread. `'process'`: all threads, ended workers included (default: `'environment'`).
 * @throws {ERR_INVALID_ARG_VALUE} the scope is another word, or an option is unknown
 * @throws {ERR_OFFHEAP_BINDING_LOAD_FAILED} there is no addon for this platform
 * @example
 * const { allocExternal, externalAllocations } = require('offheap')
 * const held = allocExternal(4_096, { label: 'pages' })
 * console.log(externalAllocations({ scope: 'process' }).labels.pages.liveCount, held.length) // 1 4096
 */
export function externalAllocations (options?: { scope?: 'environment' | 'process' }): ExternalAllocations

/** The `napi_ref`s that offheap itself holds in this environment, see `support()`. Each takes 32 bytes of V8's global handles. */
export interface OwnReferences {
  /** References now. */
  liveCount: number
  /** References that keep their object alive. None of them refers to a value of the application. */
  strongCount: number
  /** References that do not: one for each tracked value, each live sample of a Buffer, and each slab that offheap observes. */
  weakCount: number
  /** References created since the start. */
  totalCount: number
}

/** A context made by `createRouteContext()`. */
export interface RouteContext {
  /** Runs `fn` inside the context, with everything that it starts and awaits. Returns the result of `fn`. */
  run<T, A extends unknown[]> (fn: (...args: A) => T, ...args: A): T
  /**
   * Fixes the route. Call it when the route is final, or when the work is over.
   *
   * - Values that were counted before the route was known move under the route.
   * - `reading().requestCounts` gets one more for the route.
   * - The context releases the `route` function, with everything that the function holds.
   *
   * A second call does nothing.
   */
  settle (): void
}

/**
 * Makes a route context. What is tracked or sampled inside it counts under its route. Use it for frameworks that offheap has no
 * middleware for; `offheap/express` uses it too.
 *
 * The first context switches an AsyncLocalStorage on. On Node 20 and 22 this costs some per cent of throughput (docs/express.md).
 * @param route the route's template (`'GET /items/:id'`, never the raw URL), or a function that returns the template. The function
 *   returns `undefined` while the route is not known. Every `track()` inside the context calls it, until `settle()`. An error that it
 *   throws is ignored. A template longer than 256 characters is cut.
 * @throws {ERR_INVALID_ARG_TYPE} `route` is neither a string nor a function
 * @throws {ERR_INVALID_ARG_VALUE} `route` is an empty string
 * @throws {ERR_OUT_OF_RANGE} `route` is a string of more than 256 characters
 * @example
 * const { createRouteContext, externalAllocations, track } = require('offheap')
 * const context = createRouteContext('job resize')
 * const held = context.run(() => track(Buffer.alloc(1_000)))
 * console.log(externalAllocations().routes['job resize'].liveBytes, held.length) // 1000 1000
 */
export function createRouteContext (route: string | (() => string | undefined)): RouteContext
