// The public face: names only. Each is declared in types/<room>.d.ts, with meaning, unit, default, cost and errors.

export { OffheapError } from './types/base.js'
export type { Percentage, Size } from './types/base.js'
export { support } from './types/support.js'
export type { Capability, Support } from './types/support.js'
export { allocExternal, createRouteContext, externalAllocations, ownReferences, track, untrack } from './types/external.js'
export type { ExternalAllocations, OwnReferences, RouteContext, Tally, TrackOptions } from './types/external.js'
export { memory, residentBreakdown, trim } from './types/memory.js'
export type { Memory, ResidentBreakdown, ResidentBreakdownOptions, TrimResult } from './types/memory.js'
export { bufferPool, census, unslab } from './types/buffers.js'
export type { BufferPool, Census, CensusGroup, CensusHolder, CensusOptions, CensusRow } from './types/buffers.js'
export { bufferProfile, trackBuffers } from './types/buffers-profile.js'
export type {
  BufferFigures, BufferFunction, BufferProfile, BufferSite, BufferTracking, StackFrame, TrackBuffersOptions
} from './types/buffers-profile.js'
export { addonChecks, addons, settledAddons, watchAddons } from './types/addons.js'
export type {
  AddonBytes, AddonChecks, AddonFrame, AddonGrowth, AddonReferences, AddonSite, AddonTally, AddonThings, AddonWarning, AddonWatch,
  SettledAddonsOptions, WatchAddonsOptions
} from './types/addons.js'
export { start } from './types/monitor.js'
export type {
  AbsoluteThreshold, AddonExternalThreshold, AddonReferenceThreshold, AddonSummary, GrowthThreshold, Limit, Metric, Monitor, MonitorSnapshotOptions,
  OfAddon, Reading, ReferenceGrowthThreshold, ReferenceThreshold, SnapshotWritten, StartOptions, Threshold, ThresholdOptions, Thresholds, Triggered,
  TriggeredBytes, TriggeredCount
} from './types/monitor.js'
export { writeHeapSnapshot } from './types/heap-snapshots.js'
export type { HeapSnapshot, SnapshotFileOptions, WriteHeapSnapshotOptions, WriteProgress } from './types/heap-snapshots.js'
export { analyzeHeapSnapshot, compareHeapSnapshots, redactHeapSnapshot } from './types/heap-analysis.js'
export type {
  AnalyzeHeapSnapshotOptions, ComparedClass, DominatorNode, GroupedPath, HeapSnapshotAnalysis, HeapSnapshotComparison, RedactHeapSnapshotOptions,
  RetainingPath, RetainingStep, SnapshotClass, SnapshotGrowth, SnapshotObject, SnapshotProgress, SnapshotReportOptions, SnapshotRunOptions,
  SnapshotSuspect
} from './types/heap-analysis.js'
export { probe } from './types/probe.js'
export type { ProbeOptions } from './types/probe.js'
