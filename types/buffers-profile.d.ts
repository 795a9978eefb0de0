import type { Percentage, Size } from './base.js'

/** A function of Buffer that `trackBuffers()` can wrap. */
export type BufferFunction = 'from' | 'alloc' | 'allocUnsafe' | 'allocUnsafeSlow' | 'concat' | 'copyBytesFrom'

export interface TrackBuffersOptions {
  /** Average distance of two samples, in bytes (default: `524288`, 512 KiB). Half the distance halves the variance and doubles the cost. */
  sampleIntervalBytes?: Size
  /**
   * The functions to wrap (default: all). `memory().bufferPool` has full coverage when `from`, `allocUnsafe`, `concat` and
   * `copyBytesFrom` are among them.
   */
  functions?: BufferFunction[]
  /** Frames to keep of each stack, from the innermost on: 1 to 200 (default: `16`). */
  stackDepth?: number
  /**
   * The share of the thread's time that samples may take, as a number or a percentage (default: `0.01`, which is `'1%'`). When samples take
   * more, offheap lengthens the interval, up to 4,096 times. Estimates stay unbiased, and their standard errors grow. With `1` the
   * interval is never lengthened.
   */
  maxOverhead?: number | Percentage
}

/** One call of `trackBuffers()`. */
export interface BufferTracking {
  /** Whether `stop()` was not called yet. */
  readonly active: boolean
  /**
   * Ends this tracking; a second call does nothing. When the last tracking of a thread ends, Buffer's own functions are put back. The
   * profile stays readable.
   */
  stop (): void
  /** The same as `stop()`, for `using`. */
  [Symbol.dispose] (): void
}

/**
 * Samples the Buffers that this thread allocates, by bytes. Each sample has its stack and its route, and offheap counts its release.
 * `bufferProfile()` then says how much each call site holds. docs/buffers-profile.md has the cost and the limitations.
 *
 * - Wraps `Buffer.from`, `alloc`, `allocUnsafe`, `allocUnsafeSlow`, `concat` and `copyBytesFrom` until `stop()`. The wrappers keep name,
 *   length, properties, results and errors. The stack of an error has one line more.
 * - Calls through a reference that was taken before (`const { from } = Buffer`) are not sampled.
 * - A second call joins the running profile. The smaller interval of the two applies, and the other options of the first call. After the
 *   last `stop()`, the next call begins a new profile.
 *
 * Costs about 5 % of the smallest allocations (2 to 5 ns each), and 10 to 35 µs for each sample. `maxOverhead` limits the number of
 * samples. No pause, no garbage collection.
 * @throws {ERR_INVALID_ARG_TYPE} an option has the wrong type
 * @throws {ERR_INVALID_ARG_VALUE} an option or a function is unknown, `functions` is empty, or a string is no size or percentage
 * @throws {ERR_OUT_OF_RANGE} a number is outside its range
 * @throws {ERR_OFFHEAP_BINDING_LOAD_FAILED} there is no addon for this platform
 * @example
 * const { bufferProfile, trackBuffers } = require('offheap')
 * const tracking = trackBuffers()
 * const cache = []
 * function remember () { cache.push(Buffer.alloc(5_000_000)) }
 * for (let i = 0; i < 20; i++) remember()
 * const [{ liveBytes, stack }] = bufferProfile().sites
 * console.log(liveBytes, stack[0].functionName) // about 100000000 'remember'
 * tracking.stop()
 */
export function trackBuffers (options?: TrackBuffersOptions): BufferTracking

/**
 * Estimates from samples.
 *
 * An estimate is unbiased: it is too high as often as too low. In one case of 20 it is wrong by more than twice its standard error. This
 * also holds with few samples or none: the standard error includes allocations that were not sampled, so it is 0 only before the first
 * allocation. Where the standard error is as large as the estimate, read the estimate as "at most about twice the standard error".
 */
export interface BufferFigures {
  /** Live bytes: of ArrayBuffers that are not collected, or of the Buffer where a Buffer has no ArrayBuffer of its own. */
  liveBytes: number
  liveBytesStandardError: number
  liveCount: number
  liveCountStandardError: number
  /** Samples behind the live figures. */
  liveSampleCount: number
  /** Bytes allocated since `startedAt`. */
  totalBytes: number
  totalBytesStandardError: number
  totalCount: number
  totalCountStandardError: number
  /** Samples behind the total figures. */
  totalSampleCount: number
}

/** A place in the code. */
export interface StackFrame {
  /** Empty for code outside of functions, and for a function without a name. */
  functionName: string
  /** A path or URL. With `--enable-source-maps`, that of the original source. */
  file: string
  /** Counted from 1; 0 is unknown. */
  line: number
  /** Counted from 1; 0 is unknown. */
  column: number
}

export interface BufferSite extends BufferFigures {
  /** Innermost frame first, beginning with the caller of Buffer's function. */
  stack: StackFrame[]
  /** The figures of this site by route. */
  routes: Record<string, BufferFigures>
}

/** The same names; each is `null` where there is no figure. */
type OrUnknown<T> = { [name in keyof T]: T[name] | null }

/** The result of `bufferProfile()`. Where `trackBuffers()` was never called in this thread, the figures are `null` and the lists are empty. */
export interface BufferProfile extends OrUnknown<BufferFigures> {
  /** Whether sampling is running. */
  active: boolean
  /** When sampling began (ISO 8601, UTC). Earlier allocations are not in the profile. */
  startedAt: string | null
  /** The average distance of two samples at this moment, in bytes. Longer than the option when samples took too much time. */
  sampleIntervalBytes: number | null
  /** The functions that are wrapped, and those that call a wrapped one. */
  functions: BufferFunction[]
  /** By call site, most live bytes first. At most 4,096 sites are kept apart; the others count as `(other)`. `null` with `sites: false`. */
  sites: BufferSite[] | null
  /** By the route that was served; Buffers outside of a route are under `'(no route)'`. */
  routes: Record<string, BufferFigures>
}

/**
 * Reads the sampled profile of this thread: live and total bytes by call site and route.
 *
 * Costs about 1 ms for a hundred call sites; with `sites: false`, some microseconds per route. No pause, no garbage collection: garbage
 * that V8 has not collected yet counts as live.
 *
 * Where `trackBuffers()` was never called in this thread, `active` is `false`, the figures are `null`, and the other formats contain no
 * samples.
 * @param options.format `'object'` (default). `'pprof'`: a gzip'd protobuf with inuse_space, inuse_objects, alloc_space and alloc_objects,
 *   for `go tool pprof`, speedscope and Pyroscope. `'folded'`: lines for flame graphs, with live bytes.
 * @param options.sites `false` leaves the call sites out (default: `true`). With `'object'` only.
 * @throws {ERR_INVALID_ARG_TYPE} {ERR_INVALID_ARG_VALUE} an option is wrong
 * @throws {ERR_OFFHEAP_BINDING_LOAD_FAILED} there is no addon for this platform
 * @example
 * const fs = require('node:fs')
 * const { bufferProfile, trackBuffers } = require('offheap')
 * trackBuffers()
 * setInterval(() => fs.writeFileSync('buffers.pb.gz', bufferProfile({ format: 'pprof' })), 60_000).unref()
 * // go tool pprof -http=: buffers.pb.gz
 */
export function bufferProfile (options: { format: 'pprof' }): Buffer
export function bufferProfile (options: { format: 'folded' }): string
export function bufferProfile (options: { format?: 'object', sites: false }): BufferProfile & { sites: null }
export function bufferProfile (options?: { format?: 'object', sites?: true }): BufferProfile & { sites: BufferSite[] }
