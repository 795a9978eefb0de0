'use strict'

// npm run soak -- <room> [--minutes N]: what a room's tests do for seconds, for as long as asked, with a report.
// A room offers a soak as __test__/<room>/soak.js, which exports async ({ minutes, report }) → number of failures.

const fs = require('node:fs')
const path = require('node:path')

const root = path.join(__dirname, '..')

async function main () {
  const [room, ...rest] = process.argv.slice(2)
  const rooms = fs.readdirSync(path.join(root, '__test__')).filter((name) => fs.existsSync(path.join(root, '__test__', name, 'soak.js')))
  if (!rooms.includes(room)) throw new Error(`Which room? npm run soak -- <room> [--minutes N], where <room> is one of: ${rooms.join(', ')}`)
  const at = rest.indexOf('--minutes')
  const minutes = at < 0 ? 10 : Number(rest[at + 1])
  if (!(minutes > 0)) throw new Error(`--minutes needs a number above 0, received ${rest[at + 1]}`)
  const failures = await require(path.join(root, '__test__', room, 'soak.js'))({ minutes, report: (line) => process.stdout.write(`${line}\n`) })
  process.exitCode = failures === 0 ? 0 : 1
}

main().catch((error) => {
  process.stderr.write(`${error.message}\n`)
  process.exitCode = 1
})
