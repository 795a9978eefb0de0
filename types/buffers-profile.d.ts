import type { Percentage, Size } from './base.js'

/** A function of Buffer that can be watched. */
export type BufferFunction = 'from' | 'alloc' | 'allocUnsafe' | 'allocUnsafeSlow' | 'concat' | 'copyBytesFrom'


export interface TrackBuffersOptions {
  /** Bytes from sample to sample, on average (default: `524288`, 512 KiB). Half of it halves the variance and doubles the cost. */
  sampleIntervalBytes?: Size
  /** Which functions are wrapped (default: all). `memory().bufferPool` has full coverage when all but `alloc` and `allocUnsafeSlow` are. */
  functions?: BufferFunction[]
  /** Frames of a stack that are kept, from the innermost (default: `16`; 1 to 200). */
  stackDepth?: number
  /**
   * The share of the thread's time that samples may take, as `0.01` or `'1%'` (default: `0.01`). Above it the interval is made longer, up to 4,096 times;
   * estimates stay unbiased, and their standard errors grow. `1` never makes it longer.
   */
  maxOverhead?: number | Percentage
}

/** See `trackBuffers`. */
export interface BufferTracking {
  /** Whether it has not been stopped. */
  readonly active: boolean
  /** Ends it; again does nothing. With the last one of a thread Buffer's functions are put back, and the profile stays readable. */
  stop (): void
  /** The same as `stop()`, for `using`. */
  [Symbol.dispose] (): void
}

/**
 * Samples Buffers as they are allocated in this thread, by bytes, each with its stack and its route, and notices when they are
 * released: `bufferProfile()` then says which call sites hold how much. docs/buffers-profile.md has what it costs and cannot see.
 *
 * - Wraps `Buffer.from`, `alloc`, `allocUnsafe`, `allocUnsafeSlow`, `concat` and `copyBytesFrom` until `stop()`. The wrappers keep name, length,
 *   properties, results and errors; the stack of an error has one line more.
 * - A function that was taken off Buffer before (`const { from } = Buffer`) is not seen.
 * - Called again it shares the profile that is being taken, at the smaller interval. After the last `stop()` the next call begins a new one.
 * - Costs about 5 % of the smallest allocations (2 to 5 ns each) and 10 to 35 µs for each sample, of which there are no more than `maxOverhead`
 *   allows. No pause, no garbage collection.
 * @throws {ERR_INVALID_ARG_TYPE} for options of the wrong type
 * @throws {ERR_INVALID_ARG_VALUE} for unknown options or functions
 * @throws {ERR_OUT_OF_RANGE} for numbers outside their range
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
 * What samples stand for. Estimates are unbiased: too high as often as too low, by more than twice the standard error once in 20 times, also
 * where there are few samples or none: the error has what may have gone by unsampled in it, so it is 0 only before the first allocation.
 * Where it is not below the figure, the figure is "at most about twice the error".
 */
export interface BufferFigures {
  /** Bytes that are alive: Buffers that are not collected, or, where a Buffer has an ArrayBuffer of its own, ArrayBuffers. */
  liveBytes: number
  liveBytesStandardError: number
  liveCount: number
  liveCountStandardError: number
  /** Samples that the live figures are made of. */
  liveSampleCount: number
  /** Bytes ever allocated since `startedAt`. */
  totalBytes: number
  totalBytesStandardError: number
  totalCount: number
  totalCountStandardError: number
  totalSampleCount: number
}

/** A place in the code. */
export interface StackFrame {
  /** Empty for code outside of any function, and for one without a name. */
  functionName: string
  /** A path or URL; of the source, when Node runs with `--enable-source-maps`. */
  file: string
  /** From 1; 0 is unknown. */
  line: number
  column: number
}

export interface BufferSite extends BufferFigures {
  /** Innermost first, beginning with the caller of Buffer's function. */
  stack: StackFrame[]
  /** The same by route. */
  routes: Record<string, BufferFigures>
}

/** The same names, each `null` where nothing is known. */
type OrUnknown<T> = { [name in keyof T]: T[name] | null }

/** See `bufferProfile`. Its figures are `null`, and its lists empty, where nobody has called `trackBuffers()` in this thread. */
export interface BufferProfile extends OrUnknown<BufferFigures> {
  /** Whether sampling goes on. */
  active: boolean
  /** When it began (ISO 8601, UTC). What was allocated before is not in here. */
  startedAt: string | null
  /** Bytes from sample to sample at this moment; more than was asked for when samples took too much time. */
  sampleIntervalBytes: number | null
  /** What is watched. */
  functions: BufferFunction[]
  /** By call site, most live bytes first; at most 4,096 are kept apart, the rest is `(other)`. `null` with `sites: false`. */
  sites: BufferSite[] | null
  /** By the route that was served; `'(no route)'` is the rest. */
  routes: Record<string, BufferFigures>
}

/**
 * Reads the sampled profile of this thread: live and total bytes by call site and route.
 *
 * Costs about 1 ms for a hundred call sites; with `sites: false` some microseconds per route. No pause, no garbage collection: what
 * has died since the last one still counts. Where nobody has called `trackBuffers()` nothing is thrown: `active` is `false`, figures are `null`, and the
 * other formats have no samples.
 * @param options.format `'object'` (default); `'pprof'`: a gzip'd protobuf with inuse_space, inuse_objects, alloc_space and
 * alloc_objects, for `go tool pprof`, speedscope and Pyroscope; `'folded'`: lines for flame graphs, live bytes
 * @param options.sites `false` leaves the call sites out (default: `true`; `'object'` only)
 * @throws {ERR_INVALID_ARG_VALUE} for another format or an unknown option
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
