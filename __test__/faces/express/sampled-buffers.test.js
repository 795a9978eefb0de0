'use strict'

const test = require('node:test')
const assert = require('node:assert')
const { trackBuffers } = require('../../..')
const offheap = require('../../../lib/faces/express.js')
const { serve, versions } = require('../../helpers/express.js')

const kept = []

for (const { name, express } of versions.filter((version) => version.name !== 'Express 5 before 5.3')) {
  test(`${name}: sampled live bytes are under the route's template, also of what a body parser read`, async (t) => {
    const tracking = trackBuffers({ maxOverhead: 1 })
    t.after(() => tracking.stop())
    const app = express()
    app.use(offheap({ path: '/memory' }))
    // Before any route is known.
    app.use((req, res, next) => { if (req.method === 'POST') kept.push(Buffer.alloc(40_000_003)); next() })
    app.get('/kept/:id', (req, res) => { kept.push(Buffer.alloc(30_000_001)); res.end() })
    app.post('/read/:id', (req, res) => res.end())
    const { ask } = await serve(t, app)
    await ask('/kept/s3cret')
    await ask('/read/s3cret', { method: 'POST' })
    const { memory: { bufferPool }, bufferProfile } = (await ask('/memory')).json()

    assert.strictEqual(bufferPool.coverage, 'full')
    assert.strictEqual(bufferProfile.routes['GET /kept/:id'].liveBytes, 30_000_001)
    assert.strictEqual(bufferProfile.routes['POST /read/:id'].liveBytes, 40_000_003)
    assert.ok(!JSON.stringify(bufferProfile).includes('s3cret'))
    assert.ok(!JSON.stringify(bufferProfile).includes(__dirname))
  })
}
