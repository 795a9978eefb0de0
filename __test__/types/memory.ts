// Types of memory(), residentBreakdown(), trim() and support(): compiled, never run.

import { OffheapError, memory, residentBreakdown, support, trim } from '../../index.js'

const reading = memory()
const heap: number = reading.heapUsed + reading.heapTotal + reading.heapLimitBytes + reading.external + reading.declaredExternalBytes
// @ts-expect-error rss may be missing
const rss: number = reading.rss
// @ts-expect-error a limit may be missing
const limit: number = reading.cgroupLimitBytes
const version: 1 | 2 | null = reading.cgroupVersion
// @ts-expect-error there is no such figure
const misspelt = reading.heapSize

async function breakdown (): Promise<number> {
  const table = await residentBreakdown({ malloc: true })
  const [first] = table.largest
  // @ts-expect-error no such option
  await residentBreakdown({ mallocs: false })
  // @ts-expect-error malloc may not say
  const free: number = table.mallocFreeBytes
  return table.rss + table.unexplainedBytes + (first?.bytes ?? 0) + (first?.name.length ?? 0) + free
}

const released: Promise<number | null> = trim().then((result) => result.releasedBytes)
// @ts-expect-error takes no options
trim({ pad: 1 })

const { probe, cgroup } = support()
const reason: string | null = probe.available ? null : probe.reason
const cgroupVersion: 1 | 2 | null = cgroup.version

const code: string = new OffheapError('ERR_OFFHEAP_INTERNAL', 'x').code

export { breakdown, cgroupVersion, code, heap, limit, misspelt, reason, released, rss, version }
