'use strict'

// One variant of a small Express service, in a process of its own: AsyncLocalStorage, once used, changes all of its process.
// Arguments: plain | served | routes. Prints its port; then, for each line of its standard input, the CPU time it has used so
// far in microseconds; ends with its standard input.

const readline = require('node:readline')
const express = require('express')

const variant = process.argv[2]
const BUFFER_BYTES = 4096

const app = express()
let track = (buffer) => buffer
if (variant !== 'plain') {
  ({ track } = require('../../index.js'))
  app.use(require('../../lib/faces/express.js')({ path: '/debug/memory', routes: variant === 'routes' }))
}

app.get('/json/:id', (req, res) => {
  res.json({ id: req.params.id, ok: true })
})

app.get('/buffer/:id', async (req, res) => {
  await undefined
  res.send(track(Buffer.alloc(BUFFER_BYTES), { label: 'answer' }))
})

const server = app.listen(0, '127.0.0.1', () => process.stdout.write(`${server.address().port}\n`))
readline.createInterface({ input: process.stdin })
  .on('line', () => {
    const { user, system } = process.cpuUsage()
    process.stdout.write(`${user + system}\n`)
  })
  .on('close', () => process.exit())
