import { probe, support, writeHeapSnapshot, start, OffheapError } from '../..'

async function main (): Promise<void> {
  const count: number = await probe(() => 7)
  const shape: { list: string[] } = await probe(() => ({ list: ['a'] }), { timeoutMs: 1000, signal: new AbortController().signal })
  // @ts-expect-error the option is timeoutMs
  await probe(() => 1, { timeout: 5 })
  const reason: string | null = support().probe.reason
  const { mode, scratch, comparableIds, childPeakRssBytes } = await writeHeapSnapshot({ mode: 'probe', fallback: true, scratch: 'disk', timeoutMs: 5, delayAbortMs: 5000 })
  const how: 'probe' | 'in-process' = mode
  const where: 'memory' | 'disk' | null = scratch
  const peak: number | null = childPeakRssBytes
  const comparable: boolean = comparableIds
  start({ baseline: true }).stop()
  const attempts: number | undefined = new OffheapError('ERR_OFFHEAP_PROBE_DEADLOCK', '').attempts
  console.log(count, shape, reason, how, where, peak, comparable, attempts)
}

main().catch(() => {})
