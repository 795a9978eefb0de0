// Compiled, never run: what index.d.ts allows and what it refuses.

import { start, writeHeapSnapshot, type Limit, type Monitor, type Sample, type Size } from '../../index.js'

async function accepted (): Promise<void> {
  const { file, byteLength, pauseMs, removed } = await writeHeapSnapshot({ directory: 'x', gzip: true, maxTotalBytes: '4GB', signal: AbortSignal.timeout(1) })
  const texts: string[] = [file, ...removed]
  const numbers: number[] = [byteLength, pauseMs]

  const monitor: Monitor = start({
    sampleIntervalMs: 1000,
    thresholds: {
      rss: '80%',
      heapUsed: [900 * 2 ** 20, { above: '90%', forSamples: 3, rearmBelow: '70%' }],
      external: { growth: '50MB', overMs: 60_000, cooldownMs: 0, action: 'event' },
      cgroupWorkingSetBytes: '85%',
      mallocFreeBytes: '500MB',
      'bufferPool.pinnedBytes': { above: '50MB', action: 'snapshot' }
    },
    snapshot: { directory: 'x', maxPerDay: 1, processSignal: 'SIGUSR2' }
  })
  monitor
    .on('sample', ({ at, rss, bufferPool, residentBreakdown }) => { texts.push(at); numbers.push(rss ?? bufferPool?.liveBytes ?? residentBreakdown?.unexplainedBytes ?? 0) })
    .on('triggered', ({ metric, snapshot }) => { if (metric === 'rss' && snapshot === 'cooldown') monitor.stop() })
    .once('snapshotWritten', ({ file, trigger }) => texts.push(file, trigger?.metric ?? 'a signal'))
    .on('error', ({ code, cause }) => texts.push(code, String(cause)))
  start({
    thresholds: {
      references: [10_000, { addon: 'sharp', above: 1_000, forSamples: 1 }, { addon: 'sharp', growth: 100, overMs: 60_000 }],
      addonExternalBytes: ['80%', { addon: '@napi-rs/canvas', above: '512MB' }, { growth: '50MB', overMs: 60_000 }]
    }
  }).on('triggered', (event) => {
    if (event.metric === 'references') numbers.push(event.valueCount, event.thresholdCount, event.metricCount)
    else numbers.push(event.valueBytes, event.thresholdBytes, event.metricBytes)
    texts.push(event.addon ?? 'all', event.sample.addons?.[0]?.name ?? 'none')
  })
  const samples: Sample[] = [...monitor.history(), monitor.sample()]
  numbers.push(samples.length)
  monitor[Symbol.dispose]()
}

/** What a size and a limit may look like. */
const sizes: Size[] = [1, '512MB', '512 MB', '1.5GiB', '64 KiB', '10kB', '10KB', '0B', '2TB', (process.env.LIMIT ?? '1GB') as Size]
const limits: Limit[] = [...sizes, '80%', '62.5 %']

async function refused (): Promise<void> {
  // @ts-expect-error no size
  start({ thresholds: { rss: 'nonsense' } })
  // @ts-expect-error a number without its unit
  start({ thresholds: { rss: '80' } })
  // @ts-expect-error no unit of sizes
  start({ thresholds: { rss: { above: '512M' } } })
  // @ts-expect-error growth is a size
  start({ thresholds: { rss: { growth: '5%', overMs: 60_000 } } })
  // @ts-expect-error not known to be a size
  start({ thresholds: { rss: String(process.env.LIMIT) } })
  // @ts-expect-error a share of a disk
  await writeHeapSnapshot({ minFreeDiskBytes: '10%' })
  // @ts-expect-error unknown option
  await writeHeapSnapshot({ dir: 'x' })
  // @ts-expect-error a limit is not a boolean
  await writeHeapSnapshot({ maxFiles: true })
  // @ts-expect-error unknown metric
  start({ thresholds: { heap: '80%' } })
  // @ts-expect-error growth needs a time
  start({ thresholds: { rss: { growth: '1MB' } } })
  // @ts-expect-error references are counted, not measured in percent
  start({ thresholds: { references: '80%' } })
  // @ts-expect-error references are counted, and have no size
  start({ thresholds: { references: { addon: 'sharp', above: '5MB' } } })
  // @ts-expect-error a limit is none of the metrics
  start({ thresholds: { heapLimitBytes: '1GB' } })
  // @ts-expect-error no such action
  start({ thresholds: { rss: { above: '80%', action: 'exit' } } })
  // @ts-expect-error the resident set is nobody's in particular
  start({ thresholds: { rss: { addon: 'sharp', above: '1GB' } } })
  // @ts-expect-error one file for many snapshots
  start({ snapshot: { file: 'x' } })
  // @ts-expect-error not a signal
  start({ snapshot: { processSignal: 'USR2' } })
}

export { accepted, limits, refused }
