'use strict'

const test = require('node:test')
const assert = require('node:assert')
const fs = require('node:fs')
const os = require('node:os')
const path = require('node:path')
const { pathToFileURL } = require('node:url')
const { runChild, runChildForJson } = require('../helpers/child.js')

const root = path.join(__dirname, '..', '..')

const REPORT = `
  try {
    require(process.argv[process.argv.length - 1])
    console.log(JSON.stringify({ loaded: true }))
  } catch (error) {
    console.log(JSON.stringify({ code: error.code, name: error.name, message: error.message, isError: error instanceof Error }))
  }
`

test('an addon that is not there is ERR_OFFHEAP_BINDING_LOAD_FAILED, with what was tried and what to do', async () => {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'offheap-unbuilt-'))
  try {
    for (const part of ['index.js', 'lib', 'package.json']) fs.cpSync(path.join(root, part), path.join(directory, part), { recursive: true })
    const error = await runChildForJson(REPORT, { args: [directory] })

    assert.deepStrictEqual({ code: error.code, name: error.name, isError: error.isError }, { code: 'ERR_OFFHEAP_BINDING_LOAD_FAILED', name: 'OffheapError', isError: true })
    assert.match(error.message, /prebuilds.*offheap\.node: MODULE_NOT_FOUND/)
    assert.match(error.message, /npm run build/)
  } finally {
    fs.rmSync(directory, { recursive: true })
  }
})

test('without --allow-addons the permission model refuses, and the error names the flag', async () => {
  const permission = process.allowedNodeEnvironmentFlags.has('--permission') ? '--permission' : '--experimental-permission'
  const error = await runChildForJson(REPORT, { args: [root], execArgv: [permission, '--allow-fs-read=*'] })

  assert.strictEqual(error.code, 'ERR_OFFHEAP_BINDING_LOAD_FAILED')
  assert.match(error.message, /--allow-addons/)
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

test('index.d.ts declares every public name and no other', () => {
  const declared = [...fs.readFileSync(path.join(root, 'index.d.ts'), 'utf8').matchAll(/^export (?:declare )?(?:function|class|const) (\w+)/gm)].map((match) => match[1])

  assert.deepStrictEqual([...new Set(declared)].sort(), Object.keys(require('../..')).sort())
})

test('the package carries what it needs to run, and nothing of its tests', async () => {
  const { files } = require('../../package.json')
  for (const name of files) assert.ok(fs.existsSync(path.join(root, name)), name)
  assert.ok(!files.some((name) => name.startsWith('__test__') || name.startsWith('bench')))
})
