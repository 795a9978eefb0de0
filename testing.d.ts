import { type Census, type Size } from './index.js'

/** What `gcUntil()` takes beside its condition. */
export interface GcUntilOptions {
  /** What the condition is called in the error (default: the function's own name, or "the condition"). */
  name?: string
  /** How many full collections at most (default: `50`). A whole number of at least 1. */
  maxRounds?: number
  /** After how many milliseconds to give up (default: none). One round is always done, and a round is not cut short. */
  timeoutMs?: number
}

/**
 * Collects garbage, and lets finalizers run, until a condition holds. Checks it after each round; one round is always done.
 * Needs no `--expose-gc`. Works under fake timers that were installed after this module was loaded.
 *
 * Cost: each round forces one full garbage collection, which stops this thread (3 to 10 ms in a small process, 20 to 50 ms
 * in jest, 1 s and more with a heap of gigabytes), plus a few turns of the event loop. Leaves no timer and no listener behind.
 * @param condition may be async; what it throws is passed through unchanged
 * @throws {OffheapError} `ERR_OFFHEAP_GC_TIMEOUT` (rejection) names the condition and the rounds
 * @throws {TypeError} `ERR_INVALID_ARG_TYPE`, `ERR_INVALID_ARG_VALUE` (rejection) for wrong arguments
 * @throws {RangeError} `ERR_OUT_OF_RANGE` (rejection)
 * @example
 * const { gcUntil } = require('offheap/testing')
 * const dropped = new WeakRef({})
 * gcUntil(() => dropped.deref() === undefined, { name: 'the object was collected' }).then(() => console.log('collected'))
 */
export function gcUntil (condition: () => unknown, options?: GcUntilOptions): Promise<void>

/**
 * A figure of this isolate, in bytes.
 * - `trackedExternalBytes`: live bytes under each label of `track()` and `allocExternal()`. Exact.
 * - `external`, `arrayBuffers`, `declaredExternalBytes`: as in `memory()`. They see memory that nobody tracks, and overlap.
 */
export type GrowthMetric = 'trackedExternalBytes' | 'external' | 'arrayBuffers' | 'declaredExternalBytes'

/** What `expectNoExternalGrowth()` and the matcher take beside the function. */
export interface ExternalGrowthOptions {
  /** Calls in each of the two blocks (default: `100`). A whole number of at least 1. More iterations find smaller leaks. */
  iterations?: number
  /** Calls before the first block (default: `10`). Enough to fill the function's caches. */
  warmup?: number
  /** Look at this label only (default: all labels). A label that nothing was ever tracked under is an error. */
  label?: string
  /** Which figures must be flat (default: all four; with `label`: `['trackedExternalBytes']`). */
  metrics?: GrowthMetric[]
  /**
   * How many bytes a figure may grow in a block (`10_240`, `'10kB'`); one size for all figures, or an object for some.
   * Default: `0` for `trackedExternalBytes`, one slab of the Buffer pool and 2,048 bytes for the others: 10,240 bytes on Node 20 and 22,
   * 67,584 on 24, 67,648 on 26. Divided by `iterations`, this is the smallest leak per call that is found.
   */
  toleranceBytes?: Size | { [metric in GrowthMetric]?: Size }
}

/** How one figure went. */
export interface GrowthFigure {
  metric: GrowthMetric
  /** The label, for `trackedExternalBytes`; otherwise `null`. */
  label: string | null
  /** Growth over the first and over the second block, in bytes; negative when it shrank; `null` when it cannot be measured here. */
  blockBytes: [number, number] | null
  /** The same in live values, for `trackedExternalBytes`; otherwise `null`. */
  blockCounts: [number, number] | null
  /** Growth over the second block by its iterations. */
  bytesPerIteration: number | null
  /** What it was allowed to grow by in a block. */
  toleranceBytes: number
  /** Whether it grew by more than that in the second block; when there were two attempts, of both. */
  grew: boolean
}

/** What was measured. With two attempts, `figures` are those of the second one. */
export interface ExternalGrowth {
  iterations: number
  warmup: number
  /** `1`, or `2` when a figure grew in the first. */
  attempts: 1 | 2
  figures: GrowthFigure[]
}

/** The rejection of `expectNoExternalGrowth()`. An `OffheapError`. */
export interface ExternalGrowthError extends Error {
  readonly code: 'ERR_OFFHEAP_EXTERNAL_GROWTH'
  readonly growth: ExternalGrowth
}

/**
 * Runs a function again and again, and rejects when external memory grows with it.
 *
 * It calls `fn` `warmup` times, then in two blocks of `iterations` calls, one call after the other, each in a turn of the event loop
 * of its own. Before, between and after the blocks it waits until memory has settled: full collections and turns, until two
 * readings agree (3 to 15 rounds). A leak grows in every block, a cache or an allocator only in the first, so only the
 * second one has to be flat. When a figure grew in it, the two blocks are run once more, and only what grew again is reported.
 *
 * It counts what is tracked and what V8 was told of. Native memory that nobody declares comes on top of the figures, and alone it
 * passes: TLS contexts, hash objects, prepared statements of SQLite, open files (docs/testing.md has which test covers what).
 *
 * Cost: `fn` runs `warmup + 2 * iterations` times, at most `warmup + 4 * iterations`. At least 9 full garbage collections are
 * forced, at most 75: 0.14 to 0.8 s beside the calls in a small process and in a small jest file. Leaves no timer and no listener behind.
 * Whatever else allocates in this isolate meanwhile is measured too: run one at a time.
 * @param fn sync or async. What it throws is passed through unchanged and is never reported as growth.
 * @returns the figures, when none of them grew beyond its tolerance
 * @throws {ExternalGrowthError} `ERR_OFFHEAP_EXTERNAL_GROWTH` (rejection); the message names each label and figure that grew,
 *   by how much per iteration, and what the two blocks did; `growth` holds all figures
 * @throws {OffheapError} `ERR_OFFHEAP_UNSUPPORTED_PLATFORM` (rejection) for a metric in `options.metrics` that cannot be measured here
 * @throws {TypeError} `ERR_INVALID_ARG_TYPE`, `ERR_INVALID_ARG_VALUE` (rejection) for wrong arguments, and for a label never used
 * @throws {RangeError} `ERR_OUT_OF_RANGE` (rejection)
 * @example
 * const { expectNoExternalGrowth } = require('offheap/testing')
 * const kept = []
 * expectNoExternalGrowth(() => { kept.push(Buffer.alloc(10_000)) }).catch((error) => console.log(error.message))
 */
export function expectNoExternalGrowth (fn: () => unknown, options?: ExternalGrowthOptions): Promise<ExternalGrowth>

/** What an addon can hold on to; `addons()` has the same under these names. */
export type ReferenceMetric = 'references' | 'wraps' | 'externals' | 'externalArrayBuffers' | 'externalBuffers' | 'externalStrings' |
  'externalSharedArrayBuffers' | 'finalizersPending' | 'threadsafeFunctions' | 'deferreds' | 'asyncWorks' | 'asyncCleanupHooks'

/** What `expectNoReferenceGrowth()` and the matcher take beside the function. */
export interface ReferenceGrowthOptions {
  /** Look at this addon only: its name in `addons()`, the last part of it, or its file's name (default: all). One that is not loaded is an error. */
  addon?: string
  /** Calls in each of the two blocks (default: `100`). A whole number of at least 1. */
  iterations?: number
  /** Calls before the first block (default: `10`). Enough to fill the addon's caches. */
  warmup?: number
  /** How many of each there may be more after a block (default: `0`: the counts are exact). */
  toleranceCount?: number
}

/** How one count went. */
export interface ReferenceGrowthFigure {
  /** The addon's name in `addons()`. */
  addon: string
  metric: ReferenceMetric
  /** Growth over the first and over the second block; negative when it shrank. */
  blockCounts: [number, number]
  /** Growth over the second block by its iterations. */
  countPerIteration: number
  toleranceCount: number
  /** Whether it grew by more than that in the second block; when there were two attempts, of both. */
  grew: boolean
}

/** What was counted. With two attempts, `figures` are those of the second one. */
export interface ReferenceGrowth {
  iterations: number
  warmup: number
  /** `1`, or `2` when a count grew in the first. */
  attempts: 1 | 2
  figures: ReferenceGrowthFigure[]
}

/** The rejection of `expectNoReferenceGrowth()`. An `OffheapError`. */
export interface ReferenceGrowthError extends Error {
  readonly code: 'ERR_OFFHEAP_REFERENCE_GROWTH'
  readonly growth: ReferenceGrowth
}

/**
 * Runs a function again and again, and rejects when an addon holds more and more: references that nobody deletes, wraps and external
 * Buffers that are not released, promises never settled. Counts of this thread's environments; they are exact.
 *
 * Addons are watched for as long as it runs (`watchAddons()`), so what an addon held before is not looked at, and need not be.
 * Otherwise it does what `expectNoExternalGrowth()` does, with the same blocks, settled readings and second attempt.
 *
 * It counts what addons hold through Node-API: neither the bytes of their own malloc, nor what Node itself holds.
 *
 * Cost: as `expectNoExternalGrowth()`: at least 9 full garbage collections. Run one at a time.
 * @param fn sync or async. What it throws is passed through unchanged and is never reported as growth.
 * @returns the counts, when none of them grew beyond its tolerance
 * @throws {ReferenceGrowthError} `ERR_OFFHEAP_REFERENCE_GROWTH` (rejection); the message names each addon and what grew, by how much per
 *   iteration; `growth` holds all counts
 * @throws {OffheapError} `ERR_OFFHEAP_UNSUPPORTED_PLATFORM` (rejection) where addons cannot be watched; `ERR_OFFHEAP_METRIC_UNAVAILABLE`
 *   for an addon whose calls cannot be seen
 * @throws {TypeError} `ERR_INVALID_ARG_TYPE`, `ERR_INVALID_ARG_VALUE` (rejection) for wrong arguments, and for an addon that is not loaded
 * @throws {RangeError} `ERR_OUT_OF_RANGE` (rejection)
 * @example
 * const { expectNoReferenceGrowth } = require('offheap/testing')
 * const { compress } = require('snappy')
 *
 * expectNoReferenceGrowth(() => compress(Buffer.alloc(10_000)), { addon: 'snappy' }).catch((error) => console.log(error.message))
 */
export function expectNoReferenceGrowth (fn: () => unknown, options?: ReferenceGrowthOptions): Promise<ReferenceGrowth>

/** What `expectNoBufferGrowth()` and the matcher take beside the function. */
export interface BufferGrowthOptions {
  /** Calls in each of the two blocks (default: `100`). A whole number of at least 1. */
  iterations?: number
  /** Calls before the first block (default: `10`). Enough to fill the function's caches. */
  warmup?: number
  /** How many bytes each figure may grow in a block, as a number or `'10kB'` (default: 2,048, and one slab of the pool more where slabs count). */
  toleranceBytes?: Size
  /** How the censuses are taken; `'auto'` stops this thread where there can be no child (default: `'auto'`). */
  mode?: 'auto' | 'probe' | 'in-process'
  /** How long each census may take, in ms (default: `600000`). One that stops this thread may stop it for as long. */
  timeoutMs?: number
}

/** How one figure of the census went. */
export interface BufferGrowthFigure {
  metric: 'slabs.pinnedBytes' | 'slices.pinnedBytes' | 'backingStores.bytes'
  /** Growth over the first and over the second block, in bytes. */
  blockBytes: [number, number]
  bytesPerIteration: number
  toleranceBytes: number
  /** Whether it grew by more than that in the second block; when there were two attempts, of both. */
  grew: boolean
}

/** What was measured. With two attempts, `figures` are those of the second one. */
export interface BufferGrowth {
  iterations: number
  warmup: number
  attempts: 1 | 2
  figures: BufferGrowthFigure[]
  /** The last census; when something grew, with `retainers`. */
  census: Census
}

/** The rejection of `expectNoBufferGrowth()`. An `OffheapError`. */
export interface BufferGrowthError extends Error {
  readonly code: 'ERR_OFFHEAP_BUFFER_GROWTH'
  readonly growth: BufferGrowth
}

/**
 * Runs a function again and again, and rejects when Buffers keep more bytes alive with each block: slices that pin slabs of the
 * pool, slices that pin large Buffers, or backing stores altogether.
 *
 * It calls `fn` `warmup` times, then in two blocks of `iterations` calls, each in a turn of the event loop of its own, and takes a
 * census before, between and after. Only the second block has to be flat. When it is not, the two blocks are run once more.
 *
 * It counts Buffers, ArrayBuffers and what they pin, and no other native memory.
 *
 * Cost: `fn` runs `warmup + 2 * iterations` times, at most `warmup + 4 * iterations`; three to six censuses (0.2 s each in a small
 * process; the thread stands still for milliseconds where there is a probe), and when something grew, one heap snapshot.
 * @param fn sync or async. What it throws is passed through unchanged and is never reported as growth.
 * @throws {BufferGrowthError} `ERR_OFFHEAP_BUFFER_GROWTH` (rejection); the message names the offenders, and who holds them
 * @throws {OffheapError} `ERR_OFFHEAP_CENSUS_INCOMPLETE` (rejection): a census could not read all realms within `timeoutMs`; and whatever
 *   `census()` throws (rejection)
 * @throws {TypeError} `ERR_INVALID_ARG_TYPE`, `ERR_INVALID_ARG_VALUE` (rejection) for wrong arguments
 * @throws {RangeError} `ERR_OUT_OF_RANGE` (rejection)
 * @example
 * const { expectNoBufferGrowth } = require('offheap/testing')
 * const headers = []
 * expectNoBufferGrowth(() => { headers.push(Buffer.alloc(100_000).subarray(0, 20)) }).catch((error) => console.log(error.message))
 */
export function expectNoBufferGrowth (fn: () => unknown, options?: BufferGrowthOptions): Promise<BufferGrowth>

/** What a matcher answers. */
export interface MatcherResult {
  pass: boolean
  message: () => string
}

/**
 * The matchers, for `expect.extend()` of jest and vitest. Loading them registers nothing; `offheap/jest` and `offheap/vitest` do.
 * @example
 * const { matchers } = require('offheap/testing')
 *
 * expect.extend(matchers)
 * test('the matchers are there', () => expect(() => {}).toHaveNoExternalGrowth({ iterations: 10 }))
 */
export const matchers: {
  /** `expectNoBufferGrowth()` as a matcher on a function; same options, same cost, same errors. */
  toHaveNoBufferGrowth (received: unknown, options?: BufferGrowthOptions): Promise<MatcherResult>
  /** `expectNoExternalGrowth()` as a matcher on a function; same options, same cost, same errors. */
  toHaveNoExternalGrowth (received: unknown, options?: ExternalGrowthOptions): Promise<MatcherResult>
  /** `expectNoReferenceGrowth()` as a matcher on a function; same options, same cost, same errors. */
  toHaveNoReferenceGrowth (received: unknown, options?: ReferenceGrowthOptions): Promise<MatcherResult>
}

/** What `offheap/jest` and `offheap/vitest` add to `expect`. */
export interface GrowthMatchers<R = void> {
  /**
   * Runs the function in two equal blocks and fails when external memory grew in the second one; `expectNoExternalGrowth()` of
   * `offheap/testing` as a matcher. Asynchronous: await it. It forces garbage collections, 0.14 to 0.8 s beside the calls.
   * With `.not` it fails when nothing grew. What the function throws fails the test as it is.
   * @param options as for `expectNoExternalGrowth()`
   */
  toHaveNoExternalGrowth (options?: ExternalGrowthOptions): Promise<R>
  /**
   * Runs the function in two equal blocks and fails when Buffers keep more bytes alive after the second one;
   * `expectNoBufferGrowth()` of `offheap/testing` as a matcher. Asynchronous: await it. Three to six censuses beside the calls.
   * @param options as for `expectNoBufferGrowth()`
   */
  toHaveNoBufferGrowth (options?: BufferGrowthOptions): Promise<R>
  /**
   * Runs the function in two equal blocks and fails when an addon held more after the second one; `expectNoReferenceGrowth()` of
   * `offheap/testing` as a matcher. Asynchronous: await it. It forces garbage collections, as the other one.
   * @param options as for `expectNoReferenceGrowth()`
   */
  toHaveNoReferenceGrowth (options?: ReferenceGrowthOptions): Promise<R>
}
