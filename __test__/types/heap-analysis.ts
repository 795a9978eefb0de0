// Compiled, never run: the types of heap snapshot analysis as a user meets them.

import { analyzeHeapSnapshot, compareHeapSnapshots, redactHeapSnapshot } from '../../analysis.js'

export async function use (signal: AbortSignal): Promise<void> {
  const analysis = await analyzeHeapSnapshot('a.heapsnapshot', { top: 5, paths: 2, filter: 'Session', id: 7, signal, onProgress: ({ phase, fraction }) => `${phase} ${fraction.toFixed(2)}` })
  const names: string[] = analysis.classes.map((row) => row.name)
  const distance: number | null = analysis.largest[0].distance
  const path: string | null = analysis.largest[0].path
  const grouped: string | undefined = analysis.classes[0].paths[0]?.path
  const holder: string | null = analysis.backingStores.largest[0].path
  // @ts-expect-error closures may be missing
  analysis.closures.length.toFixed()
  const comparison = await compareHeapSnapshots('a', 'b', { paths: 3 })
  comparison.classes[0].newCount.toFixed()
  const [most] = comparison.growth
  const kind: 'new' | 'grown' | 'engine' | 'offheap' = most.kind
  const mostly: string | undefined = most.mostly?.className
  // @ts-expect-error what V8 keeps for itself has no path
  most.path.toUpperCase()
  const { redactedCount } = await redactHeapSnapshot('a', 'b', { salt: 'sixteen characters' })
  // @ts-expect-error an unknown option
  await analyzeHeapSnapshot('a', { tops: 5 })
  // @ts-expect-error id is for one snapshot
  await compareHeapSnapshots('a', 'b', { id: 1 })
  void [path, grouped, names, distance, holder, redactedCount, kind, mostly]
}
