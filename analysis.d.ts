// offheap/analysis: what is done with snapshot files. Names only; types/heap-analysis.d.ts has their meaning.

export { analyzeHeapSnapshot, compareHeapSnapshots, redactHeapSnapshot } from './types/heap-analysis.js'
export type {
  AnalyzeHeapSnapshotOptions, ComparedClass, DominatorNode, GroupedPath, HeapSnapshotAnalysis, HeapSnapshotComparison, RedactHeapSnapshotOptions, RetainingPath,
  RetainingStep, SnapshotClass, SnapshotGrowth, SnapshotObject, AnalysisProgress, SnapshotReportOptions, SnapshotRunOptions, SnapshotSuspect
} from './types/heap-analysis.js'
