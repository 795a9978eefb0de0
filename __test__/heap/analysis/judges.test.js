'use strict'

// Other tools as judges, on real snapshots of the Node under test: memlab, and Chrome DevTools' own code. They are
// 100 MB that nobody else needs, so they are installed into .cache on first use, without scripts; where there is no
// registry the tests are skipped and say so.

const test = require('node:test')
const assert = require('node:assert')
const { spawnSync } = require('node:child_process')
const fs = require('node:fs')
const path = require('node:path')
const { pathToFileURL } = require('node:url')
const binding = require('../../../lib/base/load.js')
const { inChild } = require('./helpers/real.js')
const { temporaryFolder } = require('./helpers/sketch.js')

const root = path.join(__dirname, '..', '..', '..')
const cache = path.join(root, '.cache', 'judges')

/** @returns {string | false} why not */
function install (name, version) {
  if (fs.existsSync(path.join(cache, 'node_modules', name, 'package.json'))) return false
  fs.mkdirSync(cache, { recursive: true })
  if (!fs.existsSync(path.join(cache, 'package.json'))) fs.writeFileSync(path.join(cache, 'package.json'), '{"private":true}\n')
  const run = spawnSync('npm', ['install', '--ignore-scripts', '--no-audit', '--no-fund', `${name}@${version}`], {
    cwd: cache,
    encoding: 'utf8',
    timeout: 200_000,
    env: { ...process.env, PUPPETEER_SKIP_DOWNLOAD: '1' }
  })
  return run.status === 0 ? false : `${name} could not be installed (no registry?); runs wherever npm install does`
}

/** A heap with everything that the rules are about: WeakMaps, weak references, closures, slices, buffers, cycles. */
function judged (t) {
  return inChild(temporaryFolder(t), `
    const { EventEmitter } = require('node:events')
    class Key {}
    class Value { constructor (size) { this.data = 'v'.repeat(size) + size; this.bytes = Buffer.alloc(size) } }
    globalThis.keys = Array.from({ length: 100 }, () => new Key())
    globalThis.weakMap = new WeakMap(keys.map((key, index) => [key, new Value(100 + index)]))
    globalThis.second = new WeakMap(keys.map((key, index) => [key, { both: weakMap.get(keys[99 - index]) }]))
    globalThis.chained = new WeakMap()
    for (let index = 1; index < 50; index++) chained.set(keys[index], keys[index - 1])
    globalThis.reference = new WeakRef(new Value(5000))
    globalThis.registry = new FinalizationRegistry(() => {})
    registry.register(keys[0], new Value(3))
    globalThis.map = new Map(keys.map((key, index) => [key, { index, self: null }]))
    for (const value of map.values()) value.self = value
    globalThis.slices = Array.from({ length: 50 }, (_, index) => ('long string ' + index).repeat(100).slice(7, 600))
    globalThis.emitter = new EventEmitter()
    emitter.on('x', function listener () { return slices })
    globalThis.promise = Promise.all([new Promise(() => {}), promiseChain()])
    async function promiseChain () { await new Promise(() => {}); return weakMap }
    snapshot(0)
  `)(0)
}

function ours (file, rules) {
  const flat = binding.heapSnapshotTable(file, rules.userRoots, rules.ephemerons, rules.attribute, 2)
  return Array.from({ length: flat.length / 5 }, (_, node) => {
    const [id, shallow, retained, dominator, distance] = flat.subarray(node * 5, node * 5 + 5)
    return { id, shallow, retained, dominator, distance }
  })
}

const noMemlab = install('@memlab/core', '2.0.5')

test('retained sizes and dominators are memlab\'s, once its rules are taken', { skip: noMemlab }, async (t) => {
  // GIVEN memlab without its mark of the page's objects, which 2.0.5 sets on the complement of what DevTools marks,
  // and with DevTools' mark in its place
  const file = judged(t)
  const judge = path.join(cache, 'memlab-judge.js')
  fs.writeFileSync(judge, `
    const { TraceFinder, utils } = require('@memlab/core')
    const write = process.stdout.write.bind(process.stdout)
    process.stdout.write = () => true
    const marks = {
      none () {},
      devtools (snapshot, flags, flag) {
        const pending = []
        const mark = (node) => { if (!(flags[node.nodeIndex] & flag)) { flags[node.nodeIndex] |= flag; pending.push(node) } }
        for (const edge of snapshot.nodes.get(0).references) if (edge.type === 'shortcut') mark(edge.toNode)
        while (pending.length > 0) for (const edge of pending.pop().references) if (edge.type !== 'weak') mark(edge.toNode)
      }
    }
    async function main () {
      const answer = {}
      for (const [name, mark] of Object.entries(marks)) {
        const snapshot = await utils.getSnapshotFromFile(process.argv[2], { buildNodeIdIndex: true, verbose: false })
        const finder = new TraceFinder()
        finder.flagReachableNodesFromWindow = mark
        finder.calculateAllNodesRetainedSizes(snapshot)
        answer[name] = []
        snapshot.nodes.forEach((node) => { answer[name].push([node.id, node.self_size, node.retainedSize, node.dominatorNode.id]) })
      }
      require('node:fs').writeFileSync(process.argv[3], JSON.stringify(answer))
    }
    main().then(() => process.exit(0))
  `)
  const out = path.join(path.dirname(file), 'memlab.json')
  const run = spawnSync(process.execPath, [judge, file, out], { cwd: cache, encoding: 'utf8', timeout: 200_000 })
  assert.strictEqual(run.status, 0, run.stderr)
  const memlab = JSON.parse(fs.readFileSync(out, 'utf8'))

  // WHEN ours runs under the same rules: nobody's own, and DevTools' user roots; WeakMap entries held by both sides,
  // and sizes as V8 wrote them, in both
  for (const [name, userRoots] of [['none', false], ['devtools', true]]) {
    const table = ours(file, { userRoots, ephemerons: false, attribute: false })
    // THEN every node agrees in every number
    assert.deepStrictEqual(table.map(({ id, shallow, retained, dominator }) => [id, shallow, retained, dominator]), memlab[name], name)
  }
  // AND the rule for WeakMaps, which memlab does not have, makes a difference here
  const withRule = ours(file, { userRoots: true, ephemerons: true, attribute: false })
  assert.ok(withRule.some(({ retained }, node) => retained !== memlab.devtools[node][2]))
})

const noDevTools = typeof Promise.withResolvers !== 'function'
  ? 'DevTools\' code needs Promise.withResolvers; runs on Node 22 and up'
  : install('chrome-devtools-frontend', '1.0.1705227')

/** Turns the three modules that matter into JavaScript and leaves the rest of DevTools out. */
function buildDevTools () {
  const built = path.join(cache, 'devtools')
  const done = path.join(built, 'built')
  if (fs.existsSync(done)) return built
  // Copied out first: the compiler writes nothing for files inside node_modules.
  const front = path.join(cache, 'devtools-source')
  for (const folder of ['entrypoints/heap_snapshot_worker', 'core/platform', 'models/heap_snapshot']) {
    fs.cpSync(path.join(cache, 'node_modules', 'chrome-devtools-frontend', 'front_end', folder), path.join(front, folder), { recursive: true })
  }
  const config = path.join(cache, 'devtools.tsconfig.json')
  fs.writeFileSync(config, JSON.stringify({
    compilerOptions: { module: 'esnext', target: 'es2022', outDir: built, rootDir: front, noCheck: true, skipLibCheck: true, moduleResolution: 'bundler', types: [] },
    files: [path.join(front, 'entrypoints', 'heap_snapshot_worker', 'HeapSnapshot.ts'), path.join(front, 'core', 'platform', 'TypedArrayUtilities.ts')]
  }))
  spawnSync(process.execPath, [path.join(root, 'node_modules', 'typescript', 'bin', 'tsc'), '-p', config], { encoding: 'utf8', timeout: 200_000 })
  const write = (name, text) => {
    fs.mkdirSync(path.dirname(path.join(built, name)), { recursive: true })
    fs.writeFileSync(path.join(built, name), text)
  }
  write('package.json', '{"type":"module"}')
  write('core/i18n/i18n.js', 'export const i18n = { serializeUIString: (text) => text }')
  write('core/platform/platform.js', ['ArrayUtilities', 'MapUtilities', 'StringUtilities', 'TypedArrayUtilities']
    .map((name) => `import * as ${name} from './${name}.js'; export { ${name} }\n`).join(''))
  write('models/heap_snapshot/heap_snapshot.js', "import * as HeapSnapshotModel from './HeapSnapshotModel.js'; export { HeapSnapshotModel }")
  fs.writeFileSync(done, '')
  return built
}

test('shallow and retained sizes, dominators and distances are Chrome DevTools\', node by node', { skip: noDevTools }, async (t) => {
  // GIVEN DevTools' own code
  const built = buildDevTools()
  const { createJSHeapSnapshotForTesting } = await import(pathToFileURL(path.join(built, 'entrypoints', 'heap_snapshot_worker', 'HeapSnapshot.js')))
  const { createExpandableBigUint32Array } = await import(pathToFileURL(path.join(built, 'core', 'platform', 'TypedArrayUtilities.js')))
  t.mock.method(console, 'warn', () => {})
  const file = judged(t)
  const profile = JSON.parse(fs.readFileSync(file, 'utf8'))
  for (const section of ['nodes', 'edges']) {
    const values = createExpandableBigUint32Array()
    profile[section].forEach((value, index) => values.setValue(index, value))
    profile[section] = values
  }
  // WHEN it loads the snapshot
  const snapshot = await createJSHeapSnapshotForTesting(profile)
  // THEN it says of every node what we say
  const table = ours(file, { userRoots: true, ephemerons: true, attribute: true })
  assert.strictEqual(table.length, snapshot.nodeCount)
  const different = table.filter((node, ordinal) => {
    const at = ordinal * snapshot.nodeFieldCount
    const distance = snapshot.nodeDistances[ordinal]
    return node.id !== snapshot.nodes.getValue(at + snapshot.nodeIdOffset) ||
      node.shallow !== snapshot.nodes.getValue(at + snapshot.nodeSelfSizeOffset) ||
      node.retained !== snapshot.retainedSizes[ordinal] ||
      node.dominator !== snapshot.nodes.getValue(snapshot.dominatorsTree[ordinal] * snapshot.nodeFieldCount + snapshot.nodeIdOffset) ||
      node.distance !== (distance < 0 ? 2 ** 32 - 1 : distance)
  })
  assert.deepStrictEqual(different, [])
})
