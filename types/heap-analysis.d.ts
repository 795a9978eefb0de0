import type { StartOptions } from './monitor.js'

/** How far a run has come. */
export interface SnapshotProgress {
  phase: 'read' | 'dominators' | 'distances' | 'report'
  /** Part of the phase that is done, 0 to 1. Stays 0 while reading a pipe or a gzip file: their length is unknown. */
  fraction: number
}

export interface SnapshotRunOptions {
  /** Stops the run within milliseconds, with `ERR_OFFHEAP_ABORTED` and the signal's reason as `cause`. */
  signal?: AbortSignal
  /**
   * Called about ten times a second while the run goes on. One that throws is not called again, which is a process warning; the run
   * goes on.
   */
  onProgress?: (progress: SnapshotProgress) => void
}

export interface SnapshotReportOptions extends SnapshotRunOptions {
  /** Rows per table, 1 to 1,000 (default: `20`). */
  top?: number
  /** Retaining paths per class, those that retain most first, 0 to 100 (default: `1`). */
  paths?: number
  /** Only classes whose name contains this, in any case of letters; at most 1,000 characters (default: all). */
  filter?: string
}

export interface AnalyzeHeapSnapshotOptions extends SnapshotReportOptions {
  /** The id of an object to show in full, as DevTools and the reports show it after the `@` (default: none). */
  id?: number
}

/** An object of a snapshot. Sizes and distance are Chrome DevTools'. */
export interface SnapshotObject {
  /**
   * V8's id. Snapshots in the process give an object the same one each time. Children of the probe number by themselves what is younger than the last
   * snapshot in the process ({@link StartOptions.baseline}).
   */
  id: number
  className: string
  /** V8's name: the class, the function's name, the beginning of the string. */
  name: string
  /** V8's node type: `object`, `closure`, `string`, … */
  type: string
  /** Own bytes, with the internal arrays that belong to it alone. */
  shallowBytes: number
  /** Bytes that would be freed if it went away. */
  retainedBytes: number
  /** References on the shortest path from a global object; `null` if only the engine's roots reach it. */
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
  /** All steps, or the first and the last 24 of a very long path. */
  pathSteps: RetainingStep[]
}

/** Objects whose paths read the same once indices and dictionary keys are left out. */
export interface GroupedPath {
  /** In words, with keys and indices left out. */
  path: string
  count: number
  shallowBytes: number
  /** What they retain together, nothing counted twice. */
  retainedBytes: number
  /** One of them. */
  exampleId: number
}

export interface SnapshotClass {
  name: string
  count: number
  shallowBytes: number
  /** Without counting anything twice: an object counts unless another of its class retains it. */
  retainedBytes: number
  distance: number | null
  paths: GroupedPath[]
}

export interface DominatorNode extends SnapshotObject {
  /** How many objects it dominates immediately. */
  dominatedCount: number
  children: DominatorNode[]
}

/** A pattern that leaks have; docs/heap-analysis.md has the numbers from which on each is one, and what cures it. */
export interface SnapshotSuspect {
  /**
   * - `accumulation`: one object in which a tenth of the heap comes together from many small ones
   * - `large-collection`: a Map, Set, array or dictionary with very many entries
   * - `many-listeners`: of one event of an EventEmitter, EventTarget or AbortSignal; or signals of `AbortSignal.any()` that follow one
   * - `long-chain`: objects of one class linked by the same reference
   * - `many-timers`: pending Timeouts or Immediates
   * - `held-target`: a FinalizationRegistry whose held values keep their own targets, so that no callback ever comes
   * - `dead-weak-refs`: a collection of WeakRefs whose targets are gone
   * - `async-context`: stores of AsyncLocalStorage that only sockets, timers or promises keep
   * - `pinned-string`: long strings that only slices of them keep
   * - `console-messages`: what was logged while an inspector was attached, and nothing else keeps
   */
  kind: 'accumulation' | 'large-collection' | 'many-listeners' | 'long-chain' | 'many-timers' | 'held-target' | 'dead-weak-refs' |
    'async-context' | 'pinned-string' | 'console-messages'
  /** The evidence in words; ends in "and 11 more on the same path" where one line stands for twelve. */
  text: string
  /** How many entries, listeners, objects, timers, values, WeakRefs, stores, strings or messages there are. */
  count: number
  /** What these retain together, in bytes, nothing counted twice. */
  retainedBytes: number
  /** V8's id of the object at the end of `path`: the collection, emitter, head, registry, or the largest of many. */
  id: number
  path: string
}

export interface HeapSnapshotAnalysis {
  /** The snapshot, as it was given. */
  file: string
  durationMs: number
  /** Length of the file, unpacked. */
  snapshotBytes: number
  nodeCount: number
  edgeCount: number
  stringCount: number
  totals: {
    shallowBytes: number
    /** Bytes behind ArrayBuffers (`system / JSArrayBufferData`); part of `shallowBytes`. */
    backingStoreBytes: number
    /** Native memory that V8 reports beside the objects (Node 24 and later), not in `shallowBytes`; else 0. */
    extraNativeBytes: number
    /** DOM nodes that Chrome says are detached. */
    detachedCount: number
    types: Array<{ type: string, count: number, shallowBytes: number }>
  }
  /** The object that `id` asked for. */
  object: (SnapshotObject & RetainingPath & {
    retainerCount: number
    retainers: Array<SnapshotObject & { edgeType: string, edge: string, path: string | null }>
    /** From the nearest to the farthest. */
    dominators: SnapshotObject[]
  }) | null
  /** How many classes there are; `classes` shows the first `top` by retained size. */
  classCount: number
  classes: SnapshotClass[]
  largest: Array<SnapshotObject & RetainingPath>
  /** Four levels of the dominator tree, five children each at most, nothing below a hundredth of the heap. */
  dominators: DominatorNode[]
  backingStores: {
    count: number
    bytes: number
    /** Held by no JavaScript object that the snapshot knows. */
    unheldCount: number
    unheldBytes: number
    classes: Array<{ className: string, count: number, bytes: number }>
    /** What holds them, the paths with most bytes. */
    paths: Array<{ path: string, count: number, bytes: number, exampleId: number }>
    largest: Array<{ id: number, bytes: number, viewCount: number, holderId: number | null, className: string | null, path: string | null }>
  }
  strings: {
    count: number
    bytes: number
    /** Copies beyond the first; strings of 1,024 characters or more are not compared: V8 cuts them there. */
    duplicateCount: number
    duplicateBytes: number
    duplicates: Array<{ text: string, length: number, count: number, bytes: number }>
    pinnedBySlicesCount: number
    pinnedBySlicesBytes: number
    /** Long strings that only slices of them keep alive. */
    pinnedBySlices: Array<{ id: number, text: string, bytes: number, sliceCount: number }>
  }
  /** By place in the source, counted from 1; `null` if the snapshot has no locations. */
  closures: Array<{ name: string, file: string | null, line: number, column: number, count: number, shallowBytes: number, retainedBytes: number, exampleId: number }> | null
  /** Plain objects by the names of their properties; those that hold numbers have no reference and no name here. */
  plainObjects: Array<{ shape: string, count: number, shallowBytes: number, retainedBytes: number, exampleId: number }>
  suspectCount: number
  suspects: SnapshotSuspect[]
}

/**
 * Says where the memory of a heap snapshot is: classes, largest objects, who holds the backing stores, suspects.
 *
 * Runs on libuv's thread pool and one thread beside it: the JavaScript thread is not held up, nothing is paused and
 * no GC is forced. Takes about 100 bytes per object of the snapshot; docs/heap-analysis.md has the measurements.
 * @param file a `.heapsnapshot` or `.heapsnapshot.gz` file of Node 18 to 26 or Chrome; `-` is standard input
 * @throws {ERR_INVALID_ARG_TYPE} {ERR_INVALID_ARG_VALUE} {ERR_OUT_OF_RANGE} for wrong arguments
 * @throws {ERR_OFFHEAP_SNAPSHOT_READ_FAILED} if the file cannot be read
 * @throws {ERR_OFFHEAP_SNAPSHOT_SYNTAX} {ERR_OFFHEAP_SNAPSHOT_FORMAT} {ERR_OFFHEAP_SNAPSHOT_TRUNCATED}
 *   {ERR_OFFHEAP_SNAPSHOT_TOO_LARGE} if it is no usable snapshot
 * @throws {ERR_OFFHEAP_SNAPSHOT_OBJECT_NOT_FOUND} if no object has `options.id`
 * @throws {ERR_OFFHEAP_ABORTED} once `options.signal` has fired
 * @example
 * import { analyzeHeapSnapshot } from 'offheap/analysis'
 * const { classes } = await analyzeHeapSnapshot('server.heapsnapshot', { top: 5 })
 * for (const { name, count, retainedBytes, paths } of classes) console.log(name, count, retainedBytes, paths[0]?.path)
 */
export function analyzeHeapSnapshot (file: string, options?: AnalyzeHeapSnapshotOptions): Promise<HeapSnapshotAnalysis>

export interface ComparedClass {
  name: string
  /** Objects that were not there before; the least there can be where `matchedById` is `false`, and so are the next three. */
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
  /** What holds the new objects, the paths that retain most first; without common ids, the paths that hold more than before. */
  paths: GroupedPath[]
}

/** A place that holds more than it did before, with all that hangs from what it holds. No byte is in two of them. */
export interface SnapshotGrowth {
  /**
   * `'new'`: there are more objects than before, and what holds them has not become more. `'grown'`: objects have become larger, as a
   * resized Buffer, the memory of a WebAssembly module or the table of a Map does. `'engine'`: compiled code, hidden classes and other data
   * that V8 keeps for itself, of all places together. `'offheap'`: what nothing but offheap holds, of all places together.
   */
  kind: 'new' | 'grown' | 'engine' | 'offheap'
  /** The class of the objects at the place. */
  className: string
  /** How many more there are; of `'grown'`, how many have become larger. */
  count: number
  /** By how much the shallow sizes of the objects, and of all below them on shortest paths, have grown. Always more than 0. */
  bytes: number
  /** The class that most of `bytes` are of, where that is not the class itself: the bytes of the Buffers that sessions hold. */
  mostly: { className: string, count: number, bytes: number } | null
  /** The retaining path, with what the keys have in common: `global.cache (Map) entry["session:…"] (Session)`. `null` for `'engine'` and `'offheap'`. */
  path: string | null
  /** One of the objects in the second file: the youngest new one, or the largest that has grown. `null` for `'engine'` and `'offheap'`. */
  exampleId: number | null
}

export interface HeapSnapshotComparison {
  durationMs: number
  before: { file: string, nodeCount: number, shallowBytes: number }
  after: { file: string, nodeCount: number, shallowBytes: number }
  /** Whether the ids of the two files mean the same objects. */
  matchedById: boolean
  /** Why not. */
  matchReason: string | null
  classCount: number
  /** The most grown retained size first. */
  classes: ComparedClass[]
  growthCount: number
  /** What has grown by what holds it, the most bytes first; empty with `paths: 0`. */
  growth: SnapshotGrowth[]
}

/**
 * Says what has grown between two heap snapshots and what holds it (`growth`), and what came and went of each class (`classes`).
 *
 * Objects are matched by V8's id, as in DevTools' Comparison. Where the ids do not correspond (two processes, or two
 * children of the probe, which number objects each by itself) that is found out and said: `matchedById` is `false`, new and deleted counts are the
 * least there can be (what a class has more than before has come), and paths are compared by count. Cost as {@link analyzeHeapSnapshot}, twice,
 * one after the other.
 * @param before `-` is standard input, for one of the two
 * @throws as {@link analyzeHeapSnapshot}
 * @example
 * import { compareHeapSnapshots } from 'offheap/analysis'
 * const { growth: [most] } = await compareHeapSnapshots('before.heapsnapshot', 'after.heapsnapshot')
 * console.log(`${most?.bytes} bytes more: ${most?.count} ${most?.className} via ${most?.path}`)
 */
export function compareHeapSnapshots (before: string, after: string, options?: SnapshotReportOptions): Promise<HeapSnapshotComparison>

export interface RedactHeapSnapshotOptions extends SnapshotRunOptions {
  /**
   * 16 characters or more. Equal strings get equal hashes in every file redacted with the same salt
   * (default: random and forgotten, so that no guess can be checked against a hash).
   */
  salt?: string
}

/**
 * Writes a copy of a heap snapshot in which every string value is replaced by its length and a keyed hash. Names of
 * classes, functions, properties, variables and files stay, and so does every number: tools read it as before.
 *
 * Streams: takes a few megabytes whatever the size. The copy is readable by its owner only; an existing file is never
 * overwritten. A key of an object that is used as a dictionary is a property name and stays: see docs/heap-analysis.md.
 * @param file the snapshot; `-` is standard input
 * @param out the copy; gzip if it ends in `.gz`
 * @throws {ERR_OFFHEAP_SNAPSHOT_WRITE_FAILED} if the copy cannot be written; otherwise as {@link analyzeHeapSnapshot}
 * @example
 * import { redactHeapSnapshot } from 'offheap/analysis'
 * await redactHeapSnapshot('server.heapsnapshot', 'shareable.heapsnapshot.gz')
 */
export function redactHeapSnapshot (file: string, out: string, options?: RedactHeapSnapshotOptions): Promise<{
  /** The copy. */
  file: string
  durationMs: number
  redactedCount: number
  keptCount: number
  /** Length of the copy, unpacked. */
  snapshotBytes: number
}>
