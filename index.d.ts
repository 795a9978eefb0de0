// The public face: names only. Each is declared in types/<room>.d.ts, with meaning, unit, default, cost and errors.

export { OffheapError } from './types/base.js'
export type { Percentage, Size } from './types/base.js'
export { reading, support } from './types/overview.js'
export type { Capability, Reading, ReadingAddon, Support } from './types/overview.js'
export { allocExternal, createRouteContext, externalAllocations, track, untrack } from './types/external.js'
export type { ExternalAllocations, OwnReferences, RouteContext, Tally, TrackOptions } from './types/external.js'
export { addons, settledAddons, watchAddons } from './types/addons.js'
export type {
  AddonBytes, AddonChecks, AddonFrame, AddonGrowth, AddonReferences, AddonRow, AddonSite, AddonsReading, AddonThings, AddonWarning, AddonWatch,
  SettledAddonsOptions, WatchAddonsOptions
} from './types/addons.js'
export { census, unslab } from './types/buffers.js'
export type { Census, CensusGroup, CensusOptions, CensusRetainer, CensusRow } from './types/buffers.js'
export { bufferProfile, trackBuffers } from './types/buffers-profile.js'
export type { BufferFigures, BufferFunction, BufferProfile, BufferSite, BufferTracking, StackFrame, TrackBuffersOptions } from './types/buffers-profile.js'
export { memory, residentBreakdown, trim } from './types/memory.js'
export type { BufferPool, Memory, ResidentBreakdown, ResidentBreakdownOptions, TrimResult } from './types/memory.js'
export { start } from './types/monitor.js'
export type {
  AbsoluteThreshold, AddonExternalThreshold, AddonReferenceThreshold, AddonSummary, BreakdownMetric, GrowthThreshold, Limit, MemoryMetric, Metric, Monitor,
  MonitorSnapshotOptions, OfAddon, ReferenceGrowthThreshold, ReferenceThreshold, Sample, SnapshotWritten, StartOptions, Threshold, ThresholdOptions, Thresholds,
  Triggered, TriggeredBytes, TriggeredCount
} from './types/monitor.js'
export { writeHeapSnapshot } from './types/heap-snapshots.js'
export type { HeapSnapshot, SnapshotFileOptions, WriteHeapSnapshotOptions, SnapshotWriteProgress } from './types/heap-snapshots.js'
export { probe } from './types/probe.js'
export type { ProbeOptions } from './types/probe.js'
