import { type Census, type OffheapError, type Size } from './index.js'

/** Options of {@link gcUntil}. */
export interface GcUntilOptions {
  /** The name of the condition in the error (default: the function's own name, or "the condition"). */
  name?: string
  /** The most full garbage collections: a whole number of at least 1 (default: `50`). */
  maxRounds?: number
  /** Time limit in ms, at least 1 (default: none). The first round always runs, and a round is never interrupted. */
  timeoutMs?: number
}

/**
 * Collects garbage in rounds until a condition is true. Finalizers run in each round, and then the condition is checked. At least one round
 * runs. It needs no `--expose-gc`. It works under fake timers that were installed after this module was loaded.
 *
 * Each round forces one full garbage collection, which pauses this thread: 3 to 10 ms in a small process, 20 to 50 ms in jest, 1 s and more
 * with a heap of gigabytes. A round also takes a few event-loop ticks. No timer and no listener stays.
 * @param condition may be async. An error that it throws is passed through unchanged.
 * @throws {OffheapError} `ERR_OFFHEAP_GC_TIMEOUT` (rejection): the condition did not become true; the message names the condition and the rounds
 * @throws {TypeError} `ERR_INVALID_ARG_TYPE`, `ERR_INVALID_ARG_VALUE` (rejection): an argument is wrong
 * @throws {RangeError} `ERR_OUT_OF_RANGE` (rejection): a number is outside its range
 * @example
 * const { gcUntil } = require('offheap/testing')
 * const dropped = new WeakRef({})
 * gcUntil(() => dropped.deref() === undefined, { name: 'the object was collected' }).then(() => console.log('collected'))
 */
export function gcUntil (condition: () => unknown, options?: GcUntilOptions): Promise<void>

/**
 * A figure of this isolate, in bytes.
 * - `trackedExternalBytes`: live bytes under each label of `track()` and `allocExternal()`. Exact.
 * - `external`, `arrayBuffers`, `declaredExternalBytes`: as in `memory()`. They include memory that is not tracked, and they overlap.
 */
export type GrowthMetric = 'trackedExternalBytes' | 'external' | 'arrayBuffers' | 'declaredExternalBytes'

/** Options of {@link expectNoExternalGrowth} and its matcher. */
export interface ExternalGrowthOptions {
  /** Calls in each of the two blocks: a whole number of at least 1 (default: `100`). More iterations find smaller leaks. */
  iterations?: number
  /** Calls before the first block: a whole number of at least 0 (default: `10`). Use enough to fill the function's caches. */
  warmup?: number
  /** Check this label only (default: all labels). A label that was never used is an error. */
  label?: string
  /** The figures that must not grow (default: all four; with `label`: `['trackedExternalBytes']`). */
  metrics?: GrowthMetric[]
  /**
   * How many bytes a figure may grow in a block (`10_240`, `'10kB'`): one size for all figures, or an object with sizes for some of them.
   * Default: `0` for `trackedExternalBytes`. For the others, 2,048 bytes and one slab of the Buffer pool: 10,240 bytes on Node 20 and 22,
   * 67,584 on 24, 67,648 on 26. This size divided by `iterations` is the smallest leak per call that the test finds.
   */
  toleranceBytes?: Size | { [metric in GrowthMetric]?: Size }
}

/** The growth of one figure. */
export interface GrowthFigure {
  metric: GrowthMetric
  /** The label, for `trackedExternalBytes`; otherwise `null`. */
  label: string | null
  /** Growth over the first and over the second block, in bytes; negative when the figure shrank; `null` when it cannot be measured here. */
  blockBytes: [number, number] | null
  /** The same growth in live values, for `trackedExternalBytes`; otherwise `null`. */
  blockCounts: [number, number] | null
  /** Growth over the second block, divided by its iterations; `null` when it cannot be measured here. */
  bytesPerIteration: number | null
  /** The growth that was allowed in a block. */
  toleranceBytes: number
  /** Whether it grew by more than the tolerance in the second block. With two attempts: in the second block of both. */
  grew: boolean
}

/** The result of a measurement. With two attempts, `figures` are those of the second attempt. */
export interface ExternalGrowth {
  iterations: number
  warmup: number
  /** `1`; or `2` when a figure grew in the first attempt. */
  attempts: 1 | 2
  figures: GrowthFigure[]
}

/** The rejection of `expectNoExternalGrowth()`. An `OffheapError`. */
export interface ExternalGrowthError extends OffheapError {
  readonly code: 'ERR_OFFHEAP_EXTERNAL_GROWTH'
  readonly growth: ExternalGrowth
}

/**
 * Runs a function many times, and rejects when external memory grows with it.
 *
 * - It calls `fn` `warmup` times, and then in two blocks of `iterations` calls. The calls run one after the other, each in its own event-loop
 *   tick.
 * - Before, between and after the blocks it waits until memory has settled. It forces full garbage collections until two measurements agree:
 *   3 to 15 rounds.
 * - A leak grows in every block. A cache or an allocator grows in the first block only. So only growth in the second block counts.
 * - When a figure grew, both blocks run once more. Only figures that grew in both attempts are reported.
 *
 * It counts tracked memory, and memory that V8 knows of. It does not count native memory that nothing declares: TLS contexts, hash objects,
 * prepared statements of SQLite, open files. A leak of only such memory is not found. docs/testing.md says which test covers which memory.
 *
 * Cost: `fn` runs `warmup + 2 * iterations` times, at most `warmup + 4 * iterations`. At least 9 full garbage collections are forced, at most
 * 75: 0.14 to 0.8 s in addition to the calls, in a small process or a small jest file. No timer and no listener stays. Other code that
 * allocates in this isolate at the same time is measured too: run one test at a time.
 * @param fn sync or async. An error that it throws is passed through unchanged and is never reported as growth.
 * @returns the figures, when no figure grew by more than its tolerance
 * @throws {ExternalGrowthError} `ERR_OFFHEAP_EXTERNAL_GROWTH` (rejection): a figure grew. The message names each label and figure that grew,
 *   with its growth per iteration and in the two blocks. `growth` has all figures.
 * @throws {OffheapError} `ERR_OFFHEAP_UNSUPPORTED_PLATFORM` (rejection): a metric in `options.metrics` cannot be measured here.
 *   `ERR_OFFHEAP_BINDING_LOAD_FAILED` (rejection): there is no addon for this platform
 * @throws {TypeError} `ERR_INVALID_ARG_TYPE`, `ERR_INVALID_ARG_VALUE` (rejection): an argument is wrong, or the label was never used
 * @throws {RangeError} `ERR_OUT_OF_RANGE` (rejection): a number is outside its range
 * @example
 * const { expectNoExternalGrowth } = require('offheap/testing')
 * const kept = []
 * expectNoExternalGrowth(() => { kept.push(Buffer.alloc(10_000)) }).catch((error) => console.log(error.message))
 */
export function expectNoExternalGrowth (fn: () => unknown, options?: ExternalGrowthOptions): Promise<ExternalGrowth>

/** A kind of thing that an addon can hold. `addons()` has the same names. */
export type AddonMetric = 'references' | 'wraps' | 'externals' | 'externalArrayBuffers' | 'externalBuffers' | 'externalStrings' |
  'externalSharedArrayBuffers' | 'finalizers' | 'threadsafeFunctions' | 'deferreds' | 'asyncWorks' | 'asyncCleanupHooks'

/** Options of {@link expectNoAddonGrowth} and its matcher. */
export interface AddonsGrowthOptions {
  /**
   * Check this addon only: its name in `addons()`, the last part of that name, or the name of its file (default: all addons). An addon that is not
   * loaded is an error.
   */
  addon?: string
  /** Calls in each of the two blocks: a whole number of at least 1 (default: `100`). */
  iterations?: number
  /** Calls before the first block: a whole number of at least 0 (default: `10`). Use enough to fill the addon's caches. */
  warmup?: number
  /** How much each count may grow in a block (default: `0`, because the counts are exact). */
  toleranceCount?: number
}

/** The growth of one count. */
export interface AddonsGrowthFigure {
  /** The addon's name in `addons()`. */
  addon: string
  metric: AddonMetric
  /** Growth over the first and over the second block; negative when the count shrank. */
  blockCounts: [number, number]
  /** Growth over the second block, divided by its iterations. */
  countPerIteration: number
  toleranceCount: number
  /** Whether it grew by more than the tolerance in the second block. With two attempts: in the second block of both. */
  grew: boolean
}

/** The result of a measurement. With two attempts, `figures` are those of the second attempt. */
export interface AddonsGrowth {
  iterations: number
  warmup: number
  /** `1`; or `2` when a count grew in the first attempt. */
  attempts: 1 | 2
  figures: AddonsGrowthFigure[]
}

/** The rejection of `expectNoAddonGrowth()`. An `OffheapError`. */
export interface AddonsGrowthError extends OffheapError {
  readonly code: 'ERR_OFFHEAP_ADDON_GROWTH'
  readonly growth: AddonsGrowth
}

/**
 * Runs a function many times, and rejects when an addon holds more with each block: references that are not deleted, wraps and external
 * Buffers that are not released, promises that are not settled. It counts this thread's environments, exactly.
 *
 * It watches addons while it runs (`watchAddons()`). What an addon held before does not count. It uses the same blocks and the same second
 * attempt as {@link expectNoExternalGrowth}, and waits in the same way.
 *
 * It counts what addons hold through Node-API. It does not count memory of their own malloc, nor what Node itself holds.
 *
 * Cost: the same as of {@link expectNoExternalGrowth}, with at least 9 forced full garbage collections. Run one test at a time.
 * @param fn sync or async. An error that it throws is passed through unchanged and is never reported as growth.
 * @returns the counts, when no count grew by more than its tolerance
 * @throws {AddonsGrowthError} `ERR_OFFHEAP_ADDON_GROWTH` (rejection): a count grew. The message names each addon and count, with its
 *   growth per iteration. `growth` has all counts.
 * @throws {OffheapError} (rejection) `ERR_OFFHEAP_UNSUPPORTED_PLATFORM` and `ERR_OFFHEAP_WATCH_REFUSED`: addons cannot be watched here.
 *   `ERR_OFFHEAP_METRIC_UNAVAILABLE`: the calls of `options.addon` cannot be counted. `ERR_OFFHEAP_BINDING_LOAD_FAILED`: there is no addon
 *   for this platform
 * @throws {TypeError} `ERR_INVALID_ARG_TYPE`, `ERR_INVALID_ARG_VALUE` (rejection): an argument is wrong, or the addon is not loaded
 * @throws {RangeError} `ERR_OUT_OF_RANGE` (rejection): a number is outside its range
 * @example
 * const { expectNoAddonGrowth } = require('offheap/testing')
 * const { compress } = require('snappy')
 *
 * expectNoAddonGrowth(() => compress(Buffer.alloc(10_000)), { addon: 'snappy' }).catch((error) => console.log(error.message))
 */
export function expectNoAddonGrowth (fn: () => unknown, options?: AddonsGrowthOptions): Promise<AddonsGrowth>

/** Options of {@link expectNoBufferGrowth} and its matcher. */
export interface BufferGrowthOptions {
  /** Calls in each of the two blocks: a whole number of at least 1 (default: `100`). */
  iterations?: number
  /** Calls before the first block: a whole number of at least 0 (default: `10`). Use enough to fill the function's caches. */
  warmup?: number
  /**
   * How many bytes each figure may grow in a block, as a number or `'10kB'`. Default: 2,048 for `slices.pinnedBytes`; for the others, 2,048 and one
   * slab of the Buffer pool.
   */
  toleranceBytes?: Size
  /** Where the censuses run. `'auto'`: in a child or, where no child is possible, in this process, which pauses this thread (default: `'auto'`). */
  mode?: 'auto' | 'probe' | 'in-process'
  /** Time limit of each census, in ms (default: `600000`). A census in this process may pause this thread for as long. */
  timeoutMs?: number
}

/** The growth of one figure of the census. */
export interface BufferGrowthFigure {
  metric: 'slabs.pinnedBytes' | 'slices.pinnedBytes' | 'backingStores.bytes'
  /** Growth over the first and over the second block, in bytes. */
  blockBytes: [number, number]
  /** Growth over the second block, divided by its iterations. */
  bytesPerIteration: number
  toleranceBytes: number
  /** Whether it grew by more than the tolerance in the second block. With two attempts: in the second block of both. */
  grew: boolean
}

/** The result of a measurement. With two attempts, `figures` are those of the second attempt. */
export interface BufferGrowth {
  iterations: number
  warmup: number
  /** `1`; or `2` when a figure grew in the first attempt. */
  attempts: 1 | 2
  figures: BufferGrowthFigure[]
  /** The last census; with `retainers` when a figure grew. */
  census: Census
}

/** The rejection of `expectNoBufferGrowth()`. An `OffheapError`. */
export interface BufferGrowthError extends OffheapError {
  readonly code: 'ERR_OFFHEAP_BUFFER_GROWTH'
  readonly growth: BufferGrowth
}

/**
 * Runs a function many times, and rejects when Buffers keep more bytes alive with each block: slices that pin slabs of the pool, slices that
 * pin large Buffers, or all backing stores together.
 *
 * It calls `fn` `warmup` times, and then in two blocks of `iterations` calls, each in its own event-loop tick. It takes a census before, between
 * and after the blocks. Only growth in the second block counts. When a figure grew, both blocks run once more.
 *
 * It counts Buffers, ArrayBuffers and the memory that they pin. It counts no other native memory.
 *
 * Cost: `fn` runs `warmup + 2 * iterations` times, at most `warmup + 4 * iterations`. It takes three to six censuses, 0.2 s each in a small
 * process; with the probe, each pauses the thread for milliseconds. When a figure grew, it takes one heap snapshot.
 * @param fn sync or async. An error that it throws is passed through unchanged and is never reported as growth.
 * @returns the figures, when no figure grew by more than its tolerance
 * @throws {BufferGrowthError} `ERR_OFFHEAP_BUFFER_GROWTH` (rejection): a figure grew. The message names the largest offenders and the paths that
 *   retain them. `growth` has all figures.
 * @throws {OffheapError} `ERR_OFFHEAP_CENSUS_INCOMPLETE` (rejection): a census could not read all realms within `timeoutMs`. Also the errors
 *   of `census()` (rejection).
 * @throws {TypeError} `ERR_INVALID_ARG_TYPE`, `ERR_INVALID_ARG_VALUE` (rejection): an argument is wrong
 * @throws {RangeError} `ERR_OUT_OF_RANGE` (rejection): a number is outside its range
 * @example
 * const { expectNoBufferGrowth } = require('offheap/testing')
 * const headers = []
 * expectNoBufferGrowth(() => { headers.push(Buffer.alloc(100_000).subarray(0, 20)) }).catch((error) => console.log(error.message))
 */
export function expectNoBufferGrowth (fn: () => unknown, options?: BufferGrowthOptions): Promise<BufferGrowth>

/** The result of a matcher. */
export interface MatcherResult {
  pass: boolean
  message: () => string
}

/**
 * The matchers, for `expect.extend()` of jest and vitest. This module does not register them; `offheap/jest` and `offheap/vitest` do.
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
  /** `expectNoAddonGrowth()` as a matcher on a function; same options, same cost, same errors. */
  toHaveNoAddonGrowth (received: unknown, options?: AddonsGrowthOptions): Promise<MatcherResult>
}

/** Matchers that `offheap/jest` and `offheap/vitest` add to `expect`. */
export interface GrowthMatchers<R = void> {
  /**
   * {@link expectNoExternalGrowth} as a matcher: runs the function in two equal blocks, and fails when external memory grew in the second block.
   * Asynchronous: await it. It forces garbage collections, 0.14 to 0.8 s in addition to the calls. With `.not` it fails when no figure grew.
   * An error that the function throws fails the test unchanged.
   * @param options as for `expectNoExternalGrowth()`
   */
  toHaveNoExternalGrowth (options?: ExternalGrowthOptions): Promise<R>
  /**
   * {@link expectNoBufferGrowth} as a matcher: runs the function in two equal blocks, and fails when Buffers keep more bytes alive after the
   * second block. Asynchronous: await it. It takes three to six censuses in addition to the calls.
   * @param options as for `expectNoBufferGrowth()`
   */
  toHaveNoBufferGrowth (options?: BufferGrowthOptions): Promise<R>
  /**
   * {@link expectNoAddonGrowth} as a matcher: runs the function in two equal blocks, and fails when an addon holds more after the second
   * block. Asynchronous: await it. It forces garbage collections, as `toHaveNoExternalGrowth()` does.
   * @param options as for `expectNoAddonGrowth()`
   */
  toHaveNoAddonGrowth (options?: AddonsGrowthOptions): Promise<R>
}
