'use strict'

// The lines of docs/memory.md that differ between Node's lines: WebAssembly memory, resizable ArrayBuffers, strings outside the heap.

const test = require('node:test')
const assert = require('node:assert')
const { close, counted, counters } = require('./helpers/counted.js')

const [major] = process.versions.node.split('.').map(Number)

test('growth of WebAssembly memory is declared twice on Node 20 and 22, once on 24, never on 26', async () => {
  const { kept, ...grown } = await counted(() => {
    const wasm = new WebAssembly.Memory({ initial: 100 })
    wasm.grow(50)
    return wasm
  })

  close(grown, { external: major <= 24 ? 9_830_400 : 0, arrayBuffers: 0, declared: { 20: 13_107_200, 22: 13_107_200, 24: 9_830_400 }[major] ?? 6_553_600 })
  assert.strictEqual(kept.buffer.byteLength, 9_830_400)
})

test('on Node 20 and 22 the declared counter keeps what WebAssembly memory grew by, for good', async () => {
  const { kept, ...grown } = await counted(() => {
    new WebAssembly.Memory({ initial: 100 }).grow(50)
  })

  close(grown, { external: 0, arrayBuffers: 0, declared: major <= 22 ? 3_276_800 : 0 })
  assert.strictEqual(kept, undefined)
})

test('shared WebAssembly memory is in no counter until Node 24, and declared as it is made on 26', async () => {
  const { kept, ...grown } = await counted(() => {
    const wasm = new WebAssembly.Memory({ initial: 100, maximum: 400, shared: true })
    wasm.grow(50)
    return wasm
  })

  close(grown, { external: 0, arrayBuffers: 0, declared: major <= 24 ? 0 : 6_553_600 })
  assert.strictEqual(kept.buffer.byteLength, 9_830_400)
})

test('an ArrayBuffer that was transferred and not received yet is in arrayBuffers alone', async () => {
  const { kept: { port1, port2 }, ...grown } = await counted(() => {
    const channel = new MessageChannel()
    const bytes = new ArrayBuffer(6_543_210)
    channel.port1.postMessage(bytes, [bytes])
    return channel
  })
  port1.close()
  port2.close()

  close(grown, { external: 0, arrayBuffers: 6_543_210, declared: 0 })
})

test('strings of 1,031,912 characters that a Buffer became are inside the heap, longer ones outside', async () => {
  const inside = await counted(() => Buffer.alloc(1_031_912, 65).toString('latin1'))
  const outside = await counted(() => ['latin1', 'base64'].map((encoding) => Buffer.alloc(1_031_928, 65).toString(encoding)))

  close(inside, { external: 0 })
  close(outside, { external: 1_031_928 + 1_375_904 })
})

test('of strings of two bytes a character external counts the half on Node 26', async () => {
  const { kept, ...grown } = await counted(() => Buffer.alloc(4_000_002, 65).toString('utf16le'))

  close(grown, { external: major >= 26 ? 2_000_001 : 4_000_002, arrayBuffers: 0, declared: 4_000_002 })
  assert.strictEqual(kept.length, 2_000_001)
})

test('on Node 20 and 22 external keeps the first length of a resizable ArrayBuffer, and the declared counter what it grew by', async () => {
  const before = await counters()
  let kept = new ArrayBuffer(4_567_040, { maxByteLength: 80_000_000 })
  kept.resize(8_000_000)
  const there = await counters()
  assert.strictEqual(kept.byteLength, 8_000_000)
  kept = null
  const gone = await counters()

  close({ external: there.external - before.external, declared: there.declared - before.declared },
    { external: major <= 22 ? 4_567_040 : 8_000_000, declared: 8_000_000 })
  close({ external: gone.external - before.external, declared: gone.declared - before.declared },
    { external: 0, declared: major <= 22 ? 3_432_960 : 0 })
})
