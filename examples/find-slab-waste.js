'use strict'

// Sessions that keep a small token each, while much else goes through the Buffer pool: each token keeps a whole slab.
// `offheap` says how much that is, and who holds the tokens. Run it with `node examples/find-slab-waste.js`.

const assert = require('node:assert')
const { census } = require('offheap')

class Session {
  constructor (user) {
    this.user = user
    // Buffer.from() of a short string takes a slice of the pool.
    this.token = Buffer.from(`token of ${user}`)
  }
}

globalThis.sessions = new Map()

function serve (requests) {
  for (let request = 0; request < requests; request++) {
    globalThis.sessions.set(`user ${request}`, new Session(`user ${request}`))
    // What a request needs for a moment goes through the same slabs.
    for (let part = 0; part < 1_500; part++) Buffer.from(`a header or a line of a log, number ${part}, which nobody keeps`)
  }
}

async function main () {
  serve(50)
  const { mode, pauseMs, slabs } = await census({ fallback: true, retainers: true })
  const [worst] = slabs.groups

  console.log(`census in the ${mode === 'probe' ? 'child' : 'process'}, the service stood still for ${pauseMs.toFixed(1)} ms`)
  console.log(`${slabs.sliceCount} slices use ${slabs.sliceBytes} bytes and keep ${slabs.pinnedBytes} bytes alive in ${slabs.pinnedCount} slabs`)
  console.log(`the worst: ${worst.sliceBytes} bytes in ${worst.count} slabs of ${slabs.slabBytes} bytes, held by`)
  console.log(`  ${worst.path}`)
  console.log('the cure: keep unslab(token), a copy with bytes of its own')

  assert.ok(slabs.wasteBytes > 40 * slabs.slabBytes)
  assert.strictEqual(worst.path, 'global.sessions (Map) entry (Session).token (Buffer) → backing store')
}

main().catch((error) => {
  console.error(error)
  process.exitCode = 1
})
