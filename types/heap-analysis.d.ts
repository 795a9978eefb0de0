import type { StartOptions } from './monitor.js'

/** The progress of a run. */
export interface AnalysisProgress {
  phase: 'read' | 'dominators' | 'distances' | 'report'
  /** The finished part of the phase, 0 to 1. Stays 0 while a pipe or a gzip file is read, because its length is unknown. */
  fraction: number
}

export interface SnapshotRunOptions {
  /** Stops the run within milliseconds when it aborts. The promise rejects with `ERR_OFFHEAP_ABORTED`; `cause` is the signal's reason. */
  signal?: AbortSignal
  /**
   * Called about ten times a second while the run continues. When it throws, it is not called again, a process warning says so, and the
   * run continues.
   */
  onProgress?: (progress: AnalysisProgress) => void
}

export interface SnapshotReportOptions extends SnapshotRunOptions {
  /** Rows per table, 1 to 1,000 (default: `20`). */
  top?: number
  /** Retaining paths per class, largest retained size first: 0 to 100 (default: `1`). */
  paths?: number
  /** Only classes whose name contains this text; upper and lower case are the same. At most 1,000 characters (default: all classes). */
  filter?: string
}

export interface AnalyzeHeapSnapshotOptions extends SnapshotReportOptions {
  /** The id of an object to show in full: the number that DevTools and the reports show after the `@` (default: none). */
  id?: number
}

/** An object of a snapshot. Sizes and distance are the same as in Chrome DevTools. */
export interface SnapshotObject {
  /**
   * V8's id. Snapshots in the process give an object the same id each time. A child of the probe numbers objects itself when they are
   * younger than the last snapshot in the process ({@link StartOptions.baseline}).
   */
  id: number
  className: string
  /** V8's name: of an object its class, of a function its name, of a string its beginning. */
  name: string
  /** V8's node type: `object`, `closure`, `string`, … */
  type: string
  /** The object's own bytes, with the internal arrays that belong to this object alone. */
  shallowBytes: number
  /** Bytes that V8 could free if this object were collected. */
  retainedBytes: number
  /** Number of references on the shortest path from a global object; `null` if only the engine's roots reach the object. */
  distance: number | null
}

export interface RetainingStep {
  edgeType: string
  /** Name of the property, variable or field, or the index. */
  edge: string
  id: number
  className: string
  name: string
}

/** The shortest path from a root to an object. */
export interface RetainingPath {
  /** In words: `global.sessions (Map) entry (Session).user (User)`. `null` if no root reaches the object. */
  path: string | null
  pathStepCount: number
  /** All steps; of a very long path, the first 24 and the last 24. */
  pathSteps: RetainingStep[]
}

/** Objects whose paths are the same without indices and dictionary keys. */
export interface GroupedPath {
  /** In words, without keys and indices. */
  path: string
  count: number
  shallowBytes: number
  /** Bytes that these objects retain together. No byte counts twice. */
  retainedBytes: number
  /** The id of one of these objects. */
  exampleId: number
}

export interface SnapshotClass {
  name: string
  count: number
  shallowBytes: number
  /**
   * Bytes that the objects of the class retain together. No byte counts twice: an object adds its retained size unless another object of the
   * class retains it.
   */
  retainedBytes: number
  distance: number | null
  paths: GroupedPath[]
}

export interface DominatorNode extends SnapshotObject {
  /** How many objects it dominates immediately. */
  dominatedCount: number
  children: DominatorNode[]
}

/** A pattern that leaks often show. A suspect is no proof of a leak. docs/heap-analysis.md has the limits and the remedies for each kind. */
export interface SnapshotSuspect {
  /**
   * - `accumulation`: one object that retains a tenth of the heap through many small objects
   * - `large-collection`: a Map, Set, array or dictionary with a very large number of entries
   * - `many-listeners`: listeners of one event of an EventEmitter, EventTarget or AbortSignal; or signals of `AbortSignal.any()` that depend on
   *   one signal
   * - `long-chain`: objects of one class linked by the same reference
   * - `many-timers`: pending Timeouts or Immediates
   * - `held-target`: a FinalizationRegistry whose held values retain their own targets, so that V8 never calls its callback
   * - `dead-weak-refs`: a collection of WeakRefs whose targets were collected
   * - `async-context`: stores of AsyncLocalStorage that only sockets, timers or promises retain
   * - `pinned-string`: long strings that only their slices retain
   * - `console-messages`: values that were logged while an inspector was attached, and that nothing else retains
   */
  kind: 'accumulation' | 'large-collection' | 'many-listeners' | 'long-chain' | 'many-timers' | 'held-target' | 'dead-weak-refs' |
    'async-context' | 'pinned-string' | 'console-messages'
  /** The evidence in words. Ends in "and 11 more on the same path" where one suspect stands for twelve. */
  text: string
  /** The number of entries, listeners, objects, timers, values, WeakRefs, stores, strings or messages. */
  count: number
  /** Bytes that these retain together. No byte counts twice. */
  retainedBytes: number
  /** V8's id of the object at the end of `path`: the collection, the emitter, the head of the chain, the registry, or the largest of several objects. */
  id: number
  path: string
}

export interface HeapSnapshotAnalysis {
  /** The argument `file`. */
  file: string
  durationMs: number
  /** Length of the snapshot's text, before compression. */
  snapshotBytes: number
  nodeCount: number
  edgeCount: number
  stringCount: number
  totals: {
    shallowBytes: number
    /** Bytes behind ArrayBuffers (`system / JSArrayBufferData`); part of `shallowBytes`. */
    backingStoreBytes: number
    /** Native memory that V8 reports without an object (Node 24 and later); not part of `shallowBytes`. 0 in older snapshots. */
    extraNativeBytes: number
    /** DOM nodes that Chrome marks as detached. */
    detachedCount: number
    types: Array<{ type: string, count: number, shallowBytes: number }>
  }
  /** The object with the option's `id`; `null` without that option. */
  object: (SnapshotObject & RetainingPath & {
    retainerCount: number
    retainers: Array<SnapshotObject & { edgeType: string, edge: string, path: string | null }>
    /** From the nearest dominator to the farthest. */
    dominators: SnapshotObject[]
  }) | null
  /** The number of classes. `classes` has the first `top` of them by retained size. */
  classCount: number
  classes: SnapshotClass[]
  largest: Array<SnapshotObject & RetainingPath>
  /** Four levels of the dominator tree, with at most five children each. Objects below a hundredth of the heap are left out. */
  dominators: DominatorNode[]
  backingStores: {
    count: number
    bytes: number
    /** Backing stores that no JavaScript object of the snapshot retains. */
    unheldCount: number
    unheldBytes: number
    classes: Array<{ className: string, count: number, bytes: number }>
    /** The paths that retain the stores; those with most bytes. */
    paths: Array<{ path: string, count: number, bytes: number, exampleId: number }>
    largest: Array<{ id: number, bytes: number, viewCount: number, holderId: number | null, className: string | null, path: string | null }>
  }
  strings: {
    count: number
    bytes: number
    /** Copies beyond the first. Strings of 1,024 characters or more are not compared, because V8 cuts them at that length. */
    duplicateCount: number
    duplicateBytes: number
    duplicates: Array<{ text: string, length: number, count: number, bytes: number }>
    pinnedBySlicesCount: number
    pinnedBySlicesBytes: number
    /** Long strings that only their slices keep alive. */
    pinnedBySlices: Array<{ id: number, text: string, bytes: number, sliceCount: number }>
  }
  /** Closures by place in the source. Lines and columns count from 1. `null` if the snapshot has no locations. */
  closures: Array<{ name: string, file: string | null, line: number, column: number, count: number, shallowBytes: number, retainedBytes: number, exampleId: number }> | null
  /** Plain objects by the names of their properties. Properties that hold numbers are missing: a snapshot has no reference for them. */
  plainObjects: Array<{ shape: string, count: number, shallowBytes: number, retainedBytes: number, exampleId: number }>
  suspectCount: number
  suspects: SnapshotSuspect[]
}

/**
 * Analyzes a heap snapshot: classes, largest objects, the paths that retain the backing stores, and suspects.
 *
 * Runs on libuv's thread pool and one further thread. No pause of the JavaScript thread, no forced garbage collection. Takes about 100
 * bytes of memory per object of the snapshot; docs/heap-analysis.md has the measurements.
 * @param file a `.heapsnapshot` or `.heapsnapshot.gz` file of Node 18 to 26 or Chrome; `-` is standard input
 * @throws {ERR_INVALID_ARG_TYPE} {ERR_INVALID_ARG_VALUE} {ERR_OUT_OF_RANGE} (rejection) an argument is wrong
 * @throws {ERR_OFFHEAP_SNAPSHOT_READ_FAILED} (rejection) the file cannot be read
 * @throws {ERR_OFFHEAP_SNAPSHOT_SYNTAX} {ERR_OFFHEAP_SNAPSHOT_FORMAT} {ERR_OFFHEAP_SNAPSHOT_TRUNCATED}
 *   {ERR_OFFHEAP_SNAPSHOT_TOO_LARGE} (rejection) the file is no usable snapshot
 * @throws {ERR_OFFHEAP_SNAPSHOT_OBJECT_NOT_FOUND} (rejection) no object has `options.id`
 * @throws {ERR_OFFHEAP_ABORTED} (rejection) `options.signal` aborted
 * @throws {ERR_OFFHEAP_BINDING_LOAD_FAILED} (rejection) there is no addon for this platform
 * @example
 * import { analyzeHeapSnapshot } from 'offheap/analysis'
 * const { classes } = await analyzeHeapSnapshot('server.heapsnapshot', { top: 5 })
 * for (const { name, count, retainedBytes, paths } of classes) console.log(name, count, retainedBytes, paths[0]?.path)
 */
export function analyzeHeapSnapshot (file: string, options?: AnalyzeHeapSnapshotOptions): Promise<HeapSnapshotAnalysis>

export interface ComparedClass {
  name: string
  /** Objects that are only in the second snapshot. With `matchedById: false`, this figure and the next three are lower bounds. */
  newCount: number
  newBytes: number
  deletedCount: number
  deletedBytes: number
  countBefore: number
  countAfter: number
  countDelta: number
  shallowBytesDelta: number
  retainedBytesBefore: number
  retainedBytesAfter: number
  retainedBytesDelta: number
  /** The paths that retain the new objects, largest retained size first. With `matchedById: false`: the paths that retain more objects than before. */
  paths: GroupedPath[]
}

/** A place that retains more bytes than before, with everything below it on shortest paths. No byte is in two places. */
export interface SnapshotGrowth {
  /**
   * - `'new'`: the place retains more objects than before, while the number of its holders has not grown.
   * - `'grown'`: objects have become larger, for example a resized Buffer, the memory of a WebAssembly module or the table of a Map.
   * - `'engine'`: compiled code, hidden classes and other data of V8 itself, from all places together.
   * - `'offheap'`: objects that only offheap retains, from all places together.
   */
  kind: 'new' | 'grown' | 'engine' | 'offheap'
  /** The class of the objects at the place. */
  className: string
  /** How many objects were added; with `'grown'`, how many have become larger. */
  count: number
  /** Growth of the shallow sizes of the objects and of everything below them on shortest paths. Always more than 0. */
  bytes: number
  /** The class with most of `bytes`, for example the Buffers that sessions hold; `null` where that is `className` itself. */
  mostly: { className: string, count: number, bytes: number } | null
  /** The retaining path, with the common part of the keys: `global.cache (Map) entry["session:…"] (Session)`. `null` for `'engine'` and `'offheap'`. */
  path: string | null
  /** The id of one object in the second snapshot: the youngest new one, or the largest that has grown. `null` for `'engine'` and `'offheap'`. */
  exampleId: number | null
}

export interface HeapSnapshotComparison {
  durationMs: number
  before: { file: string, nodeCount: number, shallowBytes: number }
  after: { file: string, nodeCount: number, shallowBytes: number }
  /** Whether an id stands for the same object in both files. */
  matchedById: boolean
  /** Why the ids do not match; `null` when they match. */
  matchReason: string | null
  classCount: number
  /** Largest growth of retained size first. */
  classes: ComparedClass[]
  growthCount: number
  /** Growth by the place that retains it, most bytes first; empty with `paths: 0`. */
  growth: SnapshotGrowth[]
}

/**
 * Compares two heap snapshots. `growth` says what has grown and which paths retain it. `classes` has the new and deleted objects of each
 * class.
 *
 * Objects are matched by V8's id, as in DevTools' Comparison. The ids of two processes do not match. Neither do those of two children of
 * the probe, which number objects independently. offheap detects this: `matchedById` is then `false`, new and deleted counts are lower
 * bounds, and paths are compared by count.
 *
 * Costs twice what {@link analyzeHeapSnapshot} costs: the files are read one after the other.
 * @param before the earlier snapshot; `-` is standard input, for one of the two
 * @param after the later snapshot
 * @throws the errors of {@link analyzeHeapSnapshot}, except `ERR_OFFHEAP_SNAPSHOT_OBJECT_NOT_FOUND`
 * @example
 * import { compareHeapSnapshots } from 'offheap/analysis'
 * const { growth: [most] } = await compareHeapSnapshots('before.heapsnapshot', 'after.heapsnapshot')
 * console.log(`${most?.bytes} bytes more: ${most?.count} ${most?.className} via ${most?.path}`)
 */
export function compareHeapSnapshots (before: string, after: string, options?: SnapshotReportOptions): Promise<HeapSnapshotComparison>

export interface RedactHeapSnapshotOptions extends SnapshotRunOptions {
  /**
   * The key of the hashes: 16 characters or more. Equal strings get equal hashes in every file that is redacted with the same salt
   * (default: a random key that is not kept, so that nobody can check a guess against a hash).
   */
  salt?: string
}

/**
 * Writes a copy of a heap snapshot. The copy has the length and a keyed hash in place of every string value.
 *
 * - Names of classes, functions, properties, variables and files stay, and so do all numbers. Tools read the copy as before.
 * - A key of an object that is used as a dictionary is a property name, so it stays (docs/heap-analysis.md).
 * - Only the owner can read the copy. An existing file is never overwritten.
 *
 * Streams the file: takes a few megabytes of memory, whatever the size. No pause, no garbage collection.
 * @param file the snapshot; `-` is standard input
 * @param out the path of the copy; compressed with gzip if it ends in `.gz`
 * @throws {ERR_OFFHEAP_SNAPSHOT_WRITE_FAILED} (rejection) the copy cannot be written
 * @throws also the errors of {@link analyzeHeapSnapshot}, except `ERR_OFFHEAP_SNAPSHOT_OBJECT_NOT_FOUND`
 * @example
 * import { redactHeapSnapshot } from 'offheap/analysis'
 * await redactHeapSnapshot('server.heapsnapshot', 'shareable.heapsnapshot.gz')
 */
export function redactHeapSnapshot (file: string, out: string, options?: RedactHeapSnapshotOptions): Promise<{
  /** The path of the copy. */
  file: string
  durationMs: number
  redactedCount: number
  keptCount: number
  /** Length of the copy's text, before compression. */
  snapshotBytes: number
}>
