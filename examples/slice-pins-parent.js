'use strict'

// A thumbnailer that keeps ten bytes of each ten-megabyte upload, and with them the upload: `subarray` copies nothing.
// `offheap` names the slices, their label and who holds them. Run it with `node examples/slice-pins-parent.js`.

const assert = require('node:assert')
const { census, track } = require('offheap')

const UPLOAD_BYTES = 10_000_000

globalThis.signatures = { recent: [] }

function upload () {
  const image = Buffer.alloc(UPLOAD_BYTES)
  globalThis.signatures.recent.push(track(image.subarray(0, 10), { label: 'image signatures' }))
}

async function main () {
  for (let index = 0; index < 5; index++) upload()
  const { mode, pauseMs, slices } = await census({ fallback: true, retainers: true })
  const [worst] = slices.top

  console.log(`census in the ${mode === 'probe' ? 'child' : 'process'}, the service stood still for ${pauseMs.toFixed(1)} ms`)
  console.log(`${slices.count} slices use ${slices.viewBytes} bytes and keep ${slices.pinnedBytes} bytes alive`)
  console.log(`the worst: ${worst.viewBytes} bytes of ${worst.bytes}, a ${worst.className} labelled "${worst.label}", held by`)
  console.log(`  ${worst.path}`)
  console.log('the cure: keep unslab(slice), a copy with bytes of its own')

  assert.strictEqual(slices.top.filter(({ bytes }) => bytes === UPLOAD_BYTES).length, 5)
  assert.strictEqual(worst.label, 'image signatures')
  assert.match(worst.path, /^global\.signatures\.recent.* \(Buffer\) → backing store$/)
}

main().catch((error) => {
  console.error(error)
  process.exitCode = 1
})
