// Types of offheap/testing and offheap/jest: compiled, never run.

import { expect } from '@jest/globals'
import 'offheap/jest'
import { matchers as sameMatchers } from 'offheap/jest'
import { expectNoBufferGrowth, expectNoExternalGrowth, expectNoAddonGrowth, gcUntil, matchers } from 'offheap/testing'
import type { BufferGrowth, BufferGrowthError, ExternalGrowth, ExternalGrowthError, GrowthMetric, AddonsGrowth, AddonsGrowthError } from 'offheap/testing'

async function helpers (): Promise<number | null> {
  await gcUntil(() => true)
  await gcUntil(async () => true, { name: 'collected', maxRounds: 3, timeoutMs: 100 })
  // @ts-expect-error the condition is a function
  await gcUntil('collected', () => true)
  // @ts-expect-error no such option
  await gcUntil(() => true, { rounds: 3 })

  const growth: ExternalGrowth = await expectNoExternalGrowth(async () => {}, {
    iterations: 10,
    warmup: 0,
    label: 'uploads',
    metrics: ['trackedExternalBytes', 'arrayBuffers'],
    toleranceBytes: { arrayBuffers: '1kB' }
  })
  await expectNoExternalGrowth(() => {}, { toleranceBytes: 1_000 })
  // @ts-expect-error no such figure
  await expectNoExternalGrowth(() => {}, { metrics: ['rss'] })
  // @ts-expect-error no such figure
  await expectNoExternalGrowth(() => {}, { toleranceBytes: { rss: 1 } })

  const [figure] = growth.figures
  const metric: GrowthMetric | undefined = figure?.metric
  const attempts: 1 | 2 = growth.attempts
  // @ts-expect-error what cannot be measured is null
  const bytes: number = figure?.bytesPerIteration
  return metric === 'trackedExternalBytes' ? bytes + attempts : figure?.blockBytes?.[1] ?? null
}

async function references (): Promise<number> {
  const growth: AddonsGrowth = await expectNoAddonGrowth(async () => {}, { addon: 'sharp', iterations: 10, warmup: 0, toleranceCount: 1 })
  // @ts-expect-error no such option
  await expectNoAddonGrowth(() => {}, { metrics: ['references'] })
  // @ts-expect-error an addon is named
  await expectNoAddonGrowth(() => {}, { addon: 5 })
  await expect(() => {}).toHaveNoAddonGrowth({ addon: 'sharp' })
  // @ts-expect-error no such option
  await expect(() => {}).not.toHaveNoAddonGrowth({ label: 'uploads' })
  return growth.figures[0]?.blockCounts[1] ?? 0
}

function onReferences (error: AddonsGrowthError): string {
  const code: 'ERR_OFFHEAP_ADDON_GROWTH' = error.code
  return `${code} ${error.growth.figures.map(({ addon, metric, grew }) => `${addon} ${metric} ${grew}`).join()}`
}

async function buffers (): Promise<number> {
  const growth: BufferGrowth = await expectNoBufferGrowth(async () => {}, { iterations: 10, warmup: 0 })
  // @ts-expect-error no such option
  await expectNoBufferGrowth(() => {}, { label: 'uploads' })
  await expect(() => {}).toHaveNoBufferGrowth({ iterations: 5 })
  // @ts-expect-error no such option
  await expect(() => {}).not.toHaveNoBufferGrowth({ addon: 'sharp' })
  return growth.census.slabs.wasteBytes + growth.attempts
}

function onBuffers (error: BufferGrowthError): string {
  const code: 'ERR_OFFHEAP_BUFFER_GROWTH' = error.code
  return `${code} ${error.growth.figures.length}`
}

function onFailure (error: ExternalGrowthError): string {
  const code: 'ERR_OFFHEAP_EXTERNAL_GROWTH' = error.code
  return `${code} ${error.growth.figures.length} ${error.message}`
}

async function matcher (): Promise<void> {
  await expect(() => {}).toHaveNoExternalGrowth()
  await expect(async () => {}).not.toHaveNoExternalGrowth({ iterations: 5, label: 'uploads' })
  // @ts-expect-error no such option
  await expect(() => {}).toHaveNoExternalGrowth({ iteration: 5 })
}

// What @types/jest makes of its global `expect`.
declare const globalMatchers: jest.Matchers<void, () => void>
const asGlobal: Promise<void> = globalMatchers.toHaveNoExternalGrowth({ warmup: 1 })

expect.extend(matchers)
expect.extend(sameMatchers)

export { asGlobal, buffers, helpers, matcher, onBuffers, onFailure, onReferences, references }
