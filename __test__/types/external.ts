import { allocExternal, createRouteContext, externalAllocations, OffheapError, support, track, untrack } from '../../index.js'

const buffer: Buffer = track(Buffer.alloc(1), { label: 'a' })
const store: ArrayBuffer = track(new ArrayBuffer(1))
const object: { a: number } = track({ a: 1 }, { byteLength: 5, label: 'b' })
const removed: boolean = untrack(object)
// @ts-expect-error a number is no object
track(5)
// @ts-expect-error misspelt
track(buffer, { lable: 'a' })

const external: Buffer = allocExternal(10, { label: 'c' })
// @ts-expect-error a length is a number
allocExternal('10')

const reading = externalAllocations({ scope: 'process' })
const bytes: number = reading.liveBytes + reading.labels.a!.peakBytes + reading.routes['GET /']!.totalCount
const folded: boolean = reading.labelsFolded
// @ts-expect-error no such scope
externalAllocations({ scope: 'thread' })

const references: number = support().ownReferences?.strongCount ?? 0

const context = createRouteContext(() => undefined)
const sum: number = context.run((a: number, b: number) => a + b, 1, 2)
context.settle()

const error = new OffheapError('ERR_OFFHEAP_INTERNAL', 'text', new Error('cause'))
const code: string = error.code

export { store, removed, external, bytes, folded, references, sum, code }
