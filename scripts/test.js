'use strict'

// `npm test`: the unit tests in Rust, the jest project and the types side by side, for each of them leaves a core idle at times; then
// the node:test suites, which keep every core busy. What runs beside something else is printed when it has ended, whole.

const { spawn } = require('node:child_process')
const path = require('node:path')

const root = path.join(__dirname, '..')
const npm = process.platform === 'win32' ? 'npm.cmd' : 'npm'

main()

async function main () {
  process.stdout.write('The Rust tests, the jest project and the types run side by side; what they print comes when each has ended.\n')
  const beside = await Promise.all(['test:rust', 'test:jest', 'test:types'].map((script) => run(script, 'pipe')))
  const failed = beside.find((status) => status !== 0)
  process.exitCode = failed ?? await run('test:js', 'inherit')
}

/** Runs a script of package.json, and returns its exit code. */
function run (script, output) {
  return new Promise((resolve) => {
    const child = spawn(npm, ['run', script], { cwd: root, stdio: ['ignore', output, output] })
    const pieces = []
    for (const stream of [child.stdout, child.stderr]) stream?.on('data', (piece) => pieces.push(piece))
    child.once('error', (error) => {
      process.stderr.write(`${script} could not be started: ${error.message}\n`)
      resolve(1)
    })
    child.once('close', (code, signal) => {
      process.stdout.write(Buffer.concat(pieces))
      if (signal !== null) process.stderr.write(`${script} was ended by ${signal}\n`)
      resolve(code ?? 1)
    })
  })
}
