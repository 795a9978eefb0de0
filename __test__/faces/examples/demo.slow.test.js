'use strict'

const test = require('node:test')
const assert = require('node:assert')
const fs = require('node:fs')
const path = require('node:path')
const { spawn } = require('node:child_process')
const { emptyFolder } = require('../../helpers/folder.js')
const { runChild } = require('../../helpers/child.js')

const root = path.join(__dirname, '..', '..', '..')
const demo = path.join(root, 'scripts', 'demo.js')

/** Processes whose command line has the example's server in it and whose environment names the folder. */
function services (folder) {
  if (process.platform !== 'linux') return []
  return fs.readdirSync('/proc').filter((name) => /^\d+$/.test(name)).filter((pid) => {
    try {
      return fs.readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('express-app') && fs.readFileSync(`/proc/${pid}/environ`, 'utf8').includes(folder)
    } catch {
      return false
    }
  })
}

test('the demo names the route and the label that grew, the snapshot, and the pause', async (t) => {
  const TMPDIR = emptyFolder(t)
  const { code, stdout, stderr } = await runChild(demo, { args: ['--seconds', '6'], env: { TMPDIR }, timeoutMs: 180_000 })

  assert.strictEqual(code, 0, stderr)
  assert.strictEqual(stderr, '')
  const lines = stdout.trim().split('\n')
  const [route, label, snapshot, pause] = lines.slice(-4)
  const [, routeMegabytes, requests] = /^route: {4}GET \/reports\/:id: live bytes 0\.0 MB → ([\d.]+) MB, 500\.0 kB for each of its (\d+) requests$/.exec(route)
  const [, labelMegabytes, alive] = /^label: {4}rendered report: live bytes 0\.0 MB → ([\d.]+) MB, (\d+) more alive$/.exec(label)
  assert.ok(Number(requests) >= 100)
  assert.strictEqual(Number(routeMegabytes), Number(requests) / 2)
  assert.strictEqual(labelMegabytes, routeMegabytes)
  assert.strictEqual(alive, requests)

  // The snapshot is where it says, the only one, and complete.
  const [, file, size] = /^snapshot: (.+\.heapsnapshot), ([\d.]+) MB$/.exec(snapshot)
  assert.ok(file.startsWith(TMPDIR))
  assert.deepStrictEqual(fs.readdirSync(path.dirname(file)), [path.basename(file)])
  assert.strictEqual((fs.statSync(file).size / 1e6).toFixed(1), size)
  assert.ok(Array.isArray(JSON.parse(fs.readFileSync(file, 'utf8')).nodes))
  assert.match(pause, /^pause: {4}the JS thread stood still for [\d.]+ ms \([a-z-]+\)$/)

  assert.strictEqual(lines.filter((line) => line.startsWith('threshold: external is at ')).length, 1)
  assert.ok(lines.filter((line) => /requests {2}external [\d.]+ MB/.test(line)).length >= 2)
  assert.deepStrictEqual(services(TMPDIR), [])
})

for (const [signal, expected] of [['SIGINT', 130], ['SIGTERM', 143]]) {
  test(`${signal} ends the demo with ${expected}, and leaves no process and no folder behind`, async (t) => {
    const TMPDIR = emptyFolder(t)
    const child = spawn(process.execPath, [demo, '--seconds', '60'], { env: { ...process.env, TMPDIR }, stdio: ['ignore', 'pipe', 'pipe'] })
    let stderr = ''
    child.stderr.on('data', (text) => { stderr += text })
    const limit = setTimeout(() => child.kill('SIGKILL'), 240_000)
    let seen = ''
    child.stdout.on('data', (text) => {
      seen += text
      if (/requests {2}external/.test(seen)) child.kill(signal)
    })

    const code = await new Promise((resolve) => child.once('close', (code, by) => resolve(code ?? by)))

    clearTimeout(limit)
    assert.strictEqual(code, expected, stderr)
    assert.strictEqual(stderr, 'demo: interrupted\n')
    assert.deepStrictEqual(fs.readdirSync(TMPDIR), [])
    assert.deepStrictEqual(services(TMPDIR), [])
  })
}

test('the service ends when the demo is killed', { skip: process.platform !== 'linux' && 'looks for processes in /proc' }, async (t) => {
  const TMPDIR = emptyFolder(t)
  const child = spawn(process.execPath, [demo, '--seconds', '60'], { env: { ...process.env, TMPDIR }, stdio: ['ignore', 'pipe', 'ignore'] })
  await new Promise((resolve) => child.stdout.once('data', resolve))
  assert.strictEqual(services(TMPDIR).length, 1)

  child.kill('SIGKILL')

  for (let round = 0; round < 600 && services(TMPDIR).length > 0; round++) await new Promise((resolve) => setTimeout(resolve, 50))
  assert.deepStrictEqual(services(TMPDIR), [])
})

test('a port that is taken is a clear error', async (t) => {
  const server = require('node:http').createServer()
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.after(() => server.close())

  const { code, stderr } = await runChild(demo, { args: ['--port', String(server.address().port)], env: { TMPDIR: emptyFolder(t) } })

  assert.strictEqual(code, 1)
  assert.match(stderr, /EADDRINUSE/)
  assert.match(stderr, /demo: the service ended \(code 1\)/)
})

test('wrong options print the usage, and the exit code is 2', async () => {
  for (const args of [['--seconds', '2'], ['--seconds', 'x'], ['--seconds', '1.5'], ['--seconds', '3601'], ['--port', '-1'], ['--port', '65536'], ['--nosuch'], ['extra'], ['--seconds']]) {
    const { code, stdout, stderr } = await runChild(demo, { args })
    assert.strictEqual(code, 2, args.join(' '))
    assert.strictEqual(stdout, '')
    assert.match(stderr, /^demo: .+\n\nUsage: npm run demo/s)
  }
})

test('--help prints the usage and starts nothing', async () => {
  const { code, stdout, stderr } = await runChild(demo, { args: ['--help'] })
  assert.strictEqual(code, 0)
  assert.match(stdout, /^Usage: npm run demo/)
  assert.strictEqual(stderr, '')
})
