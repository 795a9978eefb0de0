'use strict'

const test = require('node:test')
const assert = require('node:assert')
const path = require('node:path')
const { runChildForJson } = require('../helpers/child.js')

const root = path.join(__dirname, '..', '..')

// The sample that fires is taken by hand, so that nothing depends on time.
const SCRIPT = `
  const { start } = require(${JSON.stringify(root)})
  const monitor = start({ thresholds: { heapUsed: { above: '1%', forSamples: 1 } } })
  monitor.on('triggered', ({ thresholdBytes }) => console.log(JSON.stringify(thresholdBytes / 2 ** 20)))
  monitor.sample()
  monitor.stop()
`

test('a percentage of the heap limit is of the old generation that was set, not of what V8 adds to it', async () => {
  assert.strictEqual(await runChildForJson(SCRIPT, { execArgv: ['--max-old-space-size=200'] }), 2)
  assert.strictEqual(await runChildForJson(SCRIPT, { execArgv: ['--max_old_space_size=300'], env: { NODE_OPTIONS: '--max-old-space-size=200' } }), 3)
  assert.strictEqual(await runChildForJson(SCRIPT, { env: { NODE_OPTIONS: '--max-old-space-size=400' } }), 4)
})

test('in a worker it is of that worker\'s own limit', async () => {
  const threshold = await runChildForJson(`
    const { Worker } = require('node:worker_threads')
    new Worker(${JSON.stringify(SCRIPT)}, { eval: true, resourceLimits: { maxOldGenerationSizeMb: 100 } })
  `, { execArgv: ['--max-old-space-size=200'] })

  assert.strictEqual(threshold, 1)
})
