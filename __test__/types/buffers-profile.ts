// Compiled, never run: what the declarations of the pool, the profile and the preload allow and what they refuse.

import { bufferProfile, memory, start, trackBuffers, unslab, type BufferSite, type BufferTracking } from '../../index.js'
import registration from '../../register.js'

function accepted (): void {
  const numbers: number[] = [memory().bufferPool?.createdCount ?? 0, memory().bufferPool?.currentSlab?.freeBytes ?? 0]
  const texts: Array<string | null> = [memory().bufferPool?.coverageReason ?? null, memory().bufferPool?.fullCoverageAt ?? null]

  const own: Buffer = unslab(Buffer.alloc(1))
  const floats: Float64Array = unslab(new Float64Array(1), { ifWasteOver: '1kB' })
  const view: DataView = unslab(new DataView(new ArrayBuffer(1)), {})
  numbers.push(own.length, floats.length, view.byteLength)

  const tracking: BufferTracking = trackBuffers({ sampleIntervalBytes: 1, functions: ['from', 'concat'], stackDepth: 5, maxOverhead: 0.5 })
  const sites: BufferSite[] = bufferProfile().sites
  const none: null = bufferProfile({ sites: false }).sites
  const file: Buffer = bufferProfile({ format: 'pprof' })
  const lines: string = bufferProfile({ format: 'folded' })
  numbers.push(sites.length, file.length, bufferProfile().routes.x.liveBytesStandardError)
  texts.push(lines, none, sites[0].stack[0].file)
  // @ts-expect-error -- nothing is known where nobody samples
  bufferProfile().liveBytes.toFixed()
  const active: boolean = tracking.active && bufferProfile().active
  texts.push(String(active))
  tracking[Symbol.dispose]()

  start({ trackBuffers: true }).stop()
  start({ trackBuffers: { sampleIntervalBytes: '256KiB', maxOverhead: '0.5%' } }).stop()
  registration.monitor?.sample()
  registration.bufferTracking?.stop()
  registration.stop()
}

function refused (): void {
  // @ts-expect-error -- no view
  unslab(new ArrayBuffer(1))
  // @ts-expect-error -- misspelt
  unslab(Buffer.alloc(1), { ifWaste: 1 })
  // @ts-expect-error -- no such function
  trackBuffers({ functions: ['slice'] })
  // @ts-expect-error -- no such format
  bufferProfile({ format: 'svg' })
  // @ts-expect-error -- pprof consists of sites
  bufferProfile({ format: 'pprof', sites: false })
  // @ts-expect-error -- not a number
  start({ trackBuffers: 5 })
}

export { accepted, refused }
