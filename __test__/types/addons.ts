import { addonChecks, addons, type AddonTally, type AddonWatch, settledAddons, watchAddons } from '../../index.js'

const watch: AddonWatch = watchAddons()
watchAddons({ buffers: true, stacks: { everyNth: 7 } }).stop()
const active: boolean = watch.active
watch.stop()
watch[Symbol.dispose]()
// @ts-expect-error misspelt
watchAddons({ stack: true })

const rows: AddonTally[] = addons()
const grown = addons({ since: rows })
const references: number = grown[0]!.growth?.references ?? 0
const live: number | null = rows[0]!.references.liveCount
const bytes: number | null = rows[0]!.externalBuffers.liveBytes
const allocated: number | null = rows[0]!.buffers.liveBytes
const symbol: string | null | undefined = rows[0]!.stacks?.[0]?.frames[0]?.symbol
const unsettled: number | null = rows[0]!.deferreds.unsettledCount
// @ts-expect-error nothing may have been counted
const count: number = rows[0]!.wraps.liveCount
// @ts-expect-error not a reading
addons({ since: 5 })

settledAddons({ since: rows, force: true, signal: AbortSignal.timeout(1) }).then((settled) => settled[0]!.collectedSince === true)
// @ts-expect-error a flag
settledAddons({ force: 1 })

const checks = addonChecks()
const declared: number | null = checks.unattributedDeclaredBytes
const left: number | null = checks.unattributedGlobalHandlesBytes
const message: string | undefined = checks.warnings[0]?.message

export { active, references, live, bytes, allocated, symbol, unsettled, count, left, message, declared }
