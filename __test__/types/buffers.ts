import { type Census, type CensusOptions, census } from 'offheap'

const options: CensusOptions = { mode: 'auto', fallback: true, top: 5, retainers: true, timeoutMs: 1_000, maxPauseMs: 500, signal: new AbortController().signal }

census(options).then((taken: Census) => {
  const { count, readCount } = taken.realms
  if (!taken.complete) console.log(taken.missing.includes('retainers'), taken.lowerLimits[0], count - readCount)
  const waste: number = taken.slabs.wasteBytes + taken.slices.wasteBytes
  for (const { kind, className, label, path, retainers } of taken.slices.top) {
    const text: string = `${kind} ${className} ${label ?? 'no label'} ${path ?? 'no path'} ${retainers?.[0]?.count ?? 0}`
    console.log(text, waste)
  }
  const [group] = taken.large.groups
  console.log(group?.count, group?.path, taken.slabs.groups[0]?.sliceCount, taken.slices.groups[0]?.wasteBytes, taken.streams.groups[0]?.waitingObjectCount, taken.streams.top[0]?.path)
  const stream: number | null | undefined = taken.streams.top[0]?.readableLength
  // @ts-expect-error a census has no such figure
  console.log(stream, taken.leaks)
})

// @ts-expect-error a wrong mode
census({ mode: 'child' })
