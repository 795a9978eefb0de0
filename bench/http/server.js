'use strict'

// One variant of a small Express service, in a process of its own: AsyncLocalStorage, once used, changes all of its process.
// Arguments: plain | served | routes | always. Prints its port. For an empty line of its standard input it prints the CPU time that it has used
// so far in microseconds; for `profile` it begins a profile, and for `stop` it prints offheap's share of the time since. It ends with its
// standard input.

const inspector = require('node:inspector')
const path = require('node:path')
const readline = require('node:readline')
const express = require('express')

const variant = process.argv[2]
const BUFFER_BYTES = 4096

const app = express()
let track = (buffer) => buffer
if (variant !== 'plain') {
  ({ track } = require('../../index.js'))
  app.use(require('../../lib/faces/express.js')({ path: '/debug/memory', routes: { served: false, routes: true, always: 'always' }[variant] }))
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
  .on('line', (line) => answer(line).then((text) => process.stdout.write(`${text}\n`)))
  .on('close', () => process.exit())

let session

async function answer (line) {
  if (line === '') {
    const { user, system } = process.cpuUsage()
    return user + system
  }
  const post = (method, parameters) => new Promise((resolve, reject) => session.post(method, parameters, (error, result) => error ? reject(error) : resolve(result)))
  if (line === 'profile') {
    session = new inspector.Session()
    session.connect()
    await post('Profiler.enable')
    await post('Profiler.setSamplingInterval', { interval: 100 })
    await post('Profiler.start')
    return 'begun'
  }
  const { profile } = await post('Profiler.stop')
  session.disconnect()
  return ownShare(profile)
}

/** The share of the samples in which the innermost function that is not Node's is one of offheap's; idle time does not count. */
function ownShare ({ nodes, samples }) {
  const byId = new Map(nodes.map((node) => [node.id, node]))
  const parents = new Map(nodes.flatMap(({ id, children = [] }) => children.map((child) => [child, byId.get(id)])))
  const lib = path.join(__dirname, '..', '..', 'lib')
  const isOwn = (node) => {
    let { url } = node.callFrame
    for (let above = parents.get(node.id); !url.startsWith('/') && !url.startsWith('file:') && above !== undefined; above = parents.get(above.id)) ({ url } = above.callFrame)
    return url.replace('file://', '').startsWith(lib)
  }
  const own = new Map(nodes.map((node) => [node.id, isOwn(node)]))
  const busy = samples.filter((id) => !['(idle)', '(program)'].includes(byId.get(id).callFrame.functionName))
  return busy.filter((id) => own.get(id)).length / busy.length
}
