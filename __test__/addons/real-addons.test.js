'use strict'

// Addons from the registry, of every kind there is, doing their ordinary work while they are watched.

const test = require('node:test')
const assert = require('node:assert')
const fs = require('node:fs')
const path = require('node:path')
const { runChild } = require('../helpers/child.js')

const root = path.join(__dirname, '..', '..')
const script = path.join(__dirname, 'fixtures', 'real-addons.js')

// For each addon: why it is here, what its work must return, and how many things one run of the work creates, according to its JavaScript:
// promises, pieces of work for other threads, Buffers.
const ADDONS = {
  sharp: {
    why: 'C++, with a second library behind it that has no Node-API',
    returns: [64, 48, 'png', 24, 24, 1728, [200, 100, 50], 'Input buffer contains unsupported image format'],
    makes: { 'asyncWorks.totalCount': 4, 'externalBuffers.totalCount': 2 }
  },
  '@napi-rs/canvas': {
    why: 'Rust, undefined symbols in the GOT, bound when it is loaded',
    returns: [true, 40, 30, [10, 20, 30, 255], [0, 0, 0, 0]],
    makes: { 'deferreds.totalCount': 3, 'externalBuffers.totalCount': 2, 'wraps.totalCount': 8 }
  },
  snappy: {
    why: 'Rust, every function by dlsym()',
    returns: [true, true, true, 100_003, true],
    makes: { 'deferreds.totalCount': 2, 'asyncWorks.totalCount': 2, 'externalBuffers.totalCount': 3 }
  },
  bcrypt: {
    why: 'C++, registered by a constructor',
    returns: [60, 4, true, false, true, false],
    makes: { 'asyncWorks.totalCount': 4 }
  },
  'classic-level': {
    why: 'C, async works and references',
    returns: [['b', 'key'], true, true, [100_003, 1]],
    makes: { 'references.totalCount': 2, 'externals.totalCount': 2, 'asyncWorks.totalCount': 10 }
  },
  zeromq: {
    why: 'C++, libuv\'s handles beside Node-API',
    returns: ['question 0: true', 'question 1: true', 'question 2: true'],
    makes: { 'externalBuffers.totalCount': 3, 'deferreds.totalCount': 13 }
  },
  '@swc/core': {
    why: 'Rust, a stub that unpacks the real addon and opens it by itself',
    returns: [true, false, true, 'function add(n,d){return n+d}', 'refused'],
    makes: { 'deferreds.totalCount': 3, 'asyncWorks.totalCount': 3 }
  },
  bufferutil: {
    why: 'C, registered by a constructor; it makes nothing that counts',
    returns: ['lcpo', true],
    makes: {}
  },
  '@parcel/watcher': {
    why: 'C++, threads of its own and thread-safe functions, registered by a constructor',
    returns: [[['create', 'a.txt']], [['create', 'a.txt']]],
    makes: { 'threadsafeFunctions.totalCount': 1, 'deferreds.totalCount': 4, 'asyncWorks.totalCount': 4 }
  }
}

// Where @swc/core unpacks: not the home of whoever runs the tests.
const unpacked = path.join(root, '.cache', 'swc')

for (const [name, { why, returns, makes }] of Object.entries(ADDONS)) {
  test(`${name} (${why}) works as before while it is watched, and its counts return to their start`, async () => {
    fs.mkdirSync(unpacked, { recursive: true })

    // WHEN it works five times, ten times more, and once more after watching has ended
    const { code, stdout, stderr } = await runChild(script, {
      args: [name],
      execArgv: ['--expose-gc'],
      env: { SWC_NATIVE_BINDING_CACHE: unpacked },
      timeoutMs: 120_000
    })
    assert.strictEqual(code, 0, stderr)
    const { results, unwatched, rows } = JSON.parse(stdout.trim().split('\n').at(-1))

    // THEN the results are right
    assert.strictEqual(results.length, 15)
    for (const result of [...results, unwatched]) assert.deepStrictEqual(result, returns)

    // THEN it was seen from its first call on
    const own = rows.filter(({ file }) => file.includes(`${path.sep}node_modules${path.sep}`))
    assert.ok(own.length > 0, JSON.stringify(rows))
    for (const { api, coverage, coverageReason } of own) assert.deepStrictEqual([api, coverage, coverageReason], ['node-api', 'full', null])

    const seen = Object.fromEntries(Object.keys(makes).map((figure) => [figure, own.reduce((sum, { totals }) => sum + (totals[figure] ?? 0), 0)]))
    assert.deepStrictEqual(seen, Object.fromEntries(Object.entries(makes).map(([figure, count]) => [figure, 15 * count])))

    // THEN what it held after five times it holds after fifteen
    for (const { before, after } of own) assert.deepStrictEqual(after, before)
  })
}
