import { addons, type AddonRow, type AddonsReading, type AddonWatch, settledAddons, watchAddons } from '../../index.js'

const watch: AddonWatch = watchAddons()
watchAddons({ buffers: true, stacks: { everyNth: 7 } }).stop()
const active: boolean = watch.active
watch.stop()
watch[Symbol.dispose]()
// @ts-expect-error misspelt
watchAddons({ stack: true })

const before: AddonsReading = addons()
const rows: AddonRow[] = before.rows
const grown = addons({ since: before })
const references: number = grown.rows[0]!.growth?.references ?? 0
const live: number | null = rows[0]!.references.liveCount
const bytes: number | null = rows[0]!.externalBuffers.liveBytes
const allocated: number | null = rows[0]!.buffers.liveBytes
const symbol: string | null | undefined = rows[0]!.stacks?.[0]?.frames[0]?.symbol
const unsettled: number | null = rows[0]!.deferreds.unsettledCount
// @ts-expect-error nothing may have been counted
const count: number = rows[0]!.wraps.liveCount
// @ts-expect-error not a reading
addons({ since: 5 })
// @ts-expect-error a reading, not its rows
addons({ since: rows })

settledAddons({ since: before, force: true, signal: AbortSignal.timeout(1) }).then((settled) => settled.rows[0]!.collectedSince === true)
// @ts-expect-error a flag
settledAddons({ force: 1 })

const { checks } = before
const declared: number | null = checks.unattributedDeclaredBytes
const left: number | null = checks.unattributedGlobalHandlesBytes
const message: string | undefined = checks.warnings[0]?.message

export { active, references, live, bytes, allocated, symbol, unsettled, count, left, message, declared }
