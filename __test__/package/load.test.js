'use strict'

const test = require('node:test')
const assert = require('node:assert')
const fs = require('node:fs')
const path = require('node:path')
const { pathToFileURL } = require('node:url')
const { runChild, runChildForJson } = require('../helpers/child.js')
const { emptyFolder } = require('../helpers/folder.js')

const root = path.join(__dirname, '..', '..')

// What each part says where there is no addon. Sixteen of them need it; what stands in the path of a request goes on without it.
const REPORT = `
  const offheap = require(process.argv[process.argv.length - 1])
  const { addons, allocExternal, census, createRouteContext, externalAllocations, memory, probe, reading, residentBreakdown } = offheap
  const { analyzeHeapSnapshot } = require(process.argv[process.argv.length - 1] + '/analysis.js')
  const { settledAddons, start, support, track, trackBuffers, trim, unslab, untrack, watchAddons, writeHeapSnapshot, OffheapError } = offheap
  const needIt = { addons, allocExternal: () => allocExternal(10), analyzeHeapSnapshot: () => analyzeHeapSnapshot('none'), census, externalAllocations, memory,
    probe: () => probe(() => 1), reading, residentBreakdown, settledAddons, start, trackBuffers, trim, watchAddons, writeHeapSnapshot, 'writeHeapSnapshot in-process': () => writeHeapSnapshot({ mode: 'in-process' }) }
  ;(async () => {
    const said = {}
    let message
    for (const [name, call] of Object.entries(needIt)) {
      try {
        said[name] = 'no error: ' + await call()
      } catch (error) {
        said[name] = error instanceof OffheapError ? error.code : String(error)
        message = error.message
      }
    }
    const value = Buffer.from('some')
    console.log(JSON.stringify({
      said,
      message,
      support: support(),
      wrong: [() => track(1), () => track({}), () => track(value, { byteLength: -1 }), () => track(value, { labl: 'x' })].map((call) => { try { call() } catch (error) { return error.code } }),
      goesOn: [track(value, { label: 'x' }) === value, untrack(value), createRouteContext('GET /').run(() => track(value)) === value, String(unslab(value))]
    }))
  })()
`
const REFUSED = Object.fromEntries(['addons', 'allocExternal', 'analyzeHeapSnapshot', 'census', 'externalAllocations', 'memory', 'probe', 'reading', 'residentBreakdown', 'settledAddons', 'start',
  'trackBuffers', 'trim', 'watchAddons', 'writeHeapSnapshot', 'writeHeapSnapshot in-process'].map((name) => [name, 'ERR_OFFHEAP_BINDING_LOAD_FAILED']))

test('without an addon for the platform the package loads, each function throws the reason, and requests continue', async (t) => {
  const directory = emptyFolder(t)
  for (const part of ['index.js', 'analysis.js', 'lib', 'package.json']) fs.cpSync(path.join(root, part), path.join(directory, part), { recursive: true })
  const { said, message, support, wrong, goesOn } = await runChildForJson(REPORT, { args: [directory], cwd: directory })

  assert.deepStrictEqual(said, REFUSED)
  assert.match(message, /prebuilds.*offheap\.node: MODULE_NOT_FOUND/)
  assert.match(message, /npm run build/)
  for (const part of ['probe', 'watchAddons', 'cgroup', 'residentBreakdown', 'trim']) assert.deepStrictEqual([support[part].available, support[part].reason], [false, message], part)
  assert.deepStrictEqual(goesOn, [true, false, true, 'some'])
  assert.deepStrictEqual(wrong, ['ERR_INVALID_ARG_TYPE', 'ERR_INVALID_ARG_TYPE', 'ERR_OUT_OF_RANGE', 'ERR_INVALID_ARG_VALUE'])
  assert.deepStrictEqual(fs.readdirSync(directory).sort(), ['analysis.js', 'index.js', 'lib', 'package.json'])
})

test('in a bundle the reason names the line for each bundler, and none of the other remedies', async (t) => {
  const directory = emptyFolder(t)
  // A bundle has the text of these files in another place: with an application's package.json above it, or with none.
  for (const name of ['with', 'without']) {
    fs.mkdirSync(path.join(directory, name, 'dist', 'base'), { recursive: true })
    for (const file of ['load.js', 'errors.js']) fs.copyFileSync(path.join(root, 'lib', 'base', file), path.join(directory, name, 'dist', 'base', file))
  }
  fs.writeFileSync(path.join(directory, 'with', 'package.json'), '{ "name": "service" }')
  for (const name of ['with', 'without']) {
    const place = path.join(directory, name, 'dist', 'base')
    const { code, message } = await runChildForJson(`
      try {
        require(${JSON.stringify(path.join(place, 'load.js'))}).memory()
      } catch ({ code, message }) {
        console.log(JSON.stringify({ code, message }))
      }
    `)
    assert.strictEqual(code, 'ERR_OFFHEAP_BINDING_LOAD_FAILED')
    for (const part of [place, 'esbuild: --external:offheap', 'webpack: externals: [/^offheap($|\\/)/]', 'Rollup: external: [/^offheap($|\\/)/]', "serverExternalPackages: ['offheap']"]) assert.ok(message.includes(part), `${part} in ${message}`)
    assert.ok(!message.includes('npm run build'), message)
  }
})

test('where there is no addon Express serves every request, and the reading is not found', async (t) => {
  const directory = emptyFolder(t)
  for (const part of ['index.js', 'analysis.js', 'lib', 'package.json']) fs.cpSync(path.join(root, part), path.join(directory, part), { recursive: true })
  const { code, stdout, stderr } = await runChild(`
    const express = require(${JSON.stringify(require.resolve('express'))})
    const { track } = require(process.argv[1])
    const app = express()
    app.use(require(process.argv[1] + '/lib/faces/express.js')({ path: '/debug/memory' }))
    app.get('/', (req, res) => res.send(track(Buffer.from('served'))))
    const server = app.listen(0, '127.0.0.1', async () => {
      const url = 'http://127.0.0.1:' + server.address().port
      const answers = []
      for (const where of ['/', '/debug/memory', '/']) answers.push((await fetch(url + where)).status)
      server.closeAllConnections()
      server.close()
      console.log(JSON.stringify(answers))
    })
  `, { args: [directory] })

  assert.deepStrictEqual([code, stdout], [0, '[200,404,200]\n'], stderr)
  assert.strictEqual(stderr.match(/OffheapWarning/g).length, 1)
})

test('without --allow-addons the permission model refuses, and the error names the flag', async () => {
  const permission = process.allowedNodeEnvironmentFlags.has('--permission') ? '--permission' : '--experimental-permission'
  const { said, message } = await runChildForJson(REPORT, { args: [root], execArgv: [permission, '--allow-fs-read=*'] })

  assert.deepStrictEqual(said, REFUSED)
  assert.match(message, /--allow-addons/)
})

test('with --allow-addons everything that needs no further grant works', async () => {
  // Node 20 knows no such grant: addons may be loaded there.
  const permission = process.allowedNodeEnvironmentFlags.has('--permission') ? ['--permission', '--allow-addons'] : []
  const reading = await runChildForJson(`
    const { allocExternal, externalAllocations, memory, track } = require(${JSON.stringify(root)})
    const held = [track(Buffer.alloc(1000)), allocExternal(500)]
    console.log(JSON.stringify({ liveBytes: externalAllocations().liveBytes, tracked: memory().trackedExternalBytes, held: held.length }))
  `, { execArgv: [...permission, '--allow-fs-read=*'].slice(permission.length === 0 ? 1 : 0) })

  assert.deepStrictEqual(reading, { liveBytes: 1_500, tracked: 1_500, held: 2 })
})

test('every public name can be imported by name from an ES module', async () => {
  const names = Object.keys(require('../..'))
  const { stdout } = await runChild(`
    import(${JSON.stringify(pathToFileURL(path.join(root, 'index.js')).href)}).then((module) => {
      console.log(JSON.stringify(Object.keys(module).filter((name) => name !== 'default' && name !== 'module.exports').sort()))
    })
  `)

  assert.deepStrictEqual(JSON.parse(stdout), [...names].sort())
})

for (const entry of ['index', 'analysis']) {
  test(`${entry}.d.ts declares every public name and no other`, () => {
    const declared = [...fs.readFileSync(path.join(root, `${entry}.d.ts`), 'utf8').matchAll(/^export \{([^}]+)\} from/gm)].flatMap((match) => match[1].trim().split(/,\s*/))

    assert.deepStrictEqual([...new Set(declared)].sort(), Object.keys(require(`../../${entry}.js`)).sort())
  })
}

test('the package carries what it needs to run, and nothing of its tests', async () => {
  const { files } = require('../../package.json')
  for (const name of files) assert.ok(fs.existsSync(path.join(root, name)), name)
  assert.ok(!files.some((name) => name.startsWith('__test__') || name.startsWith('bench')))
})
