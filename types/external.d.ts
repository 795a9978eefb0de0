import type { Size } from './base.js'

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

/** The napi references that offheap itself holds in this environment, see `support()`; each is 32 bytes of V8's global handles. */
export interface OwnReferences {
  /** References now. */
  liveCount: number
  /** Those that keep their object alive; none of them refers to a value of yours. */
  strongCount: number
  /** Those that do not: one for each tracked value, for each live sample of a Buffer, and for each slab that is watched. */
  weakCount: number
  /** References ever created. */
  totalCount: number
}

/** See `createRouteContext`. */
export interface RouteContext {
  /** Runs `fn` inside the context, together with everything it starts and awaits; returns what it returns. */
  run<T, A extends unknown[]> (fn: (...args: A) => T, ...args: A): T
  /**
   * Call it when the route is known for certain or the work is over: what was counted before that is moved under the route,
   * which stays what it is then, and one more is counted under it in `reading().requestCounts`. The function that said the route is released, with all that it
   * holds. Twice is once.
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
