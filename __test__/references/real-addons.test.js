'use strict'

// Addons from the registry, of every kind there is, doing their ordinary work while they are watched.

const test = require('node:test')
const assert = require('node:assert')
const fs = require('node:fs')
const path = require('node:path')
const { runChild } = require('../helpers/child.js')

const root = path.join(__dirname, '..', '..')
const script = path.join(__dirname, 'fixtures', 'real-addons.js')

// What the work must return; why the addon is here.
const ADDONS = {
  // C++, with a second library behind it that has no Node-API
  sharp: [64, 48, 'png', 24, 24, 1728, [200, 100, 50], 'Input buffer contains unsupported image format'],
  // Rust, undefined symbols in the GOT, bound when it is loaded
  '@napi-rs/canvas': [true, 40, 30, [10, 20, 30, 255], [0, 0, 0, 0]],
  // Rust, every function by dlsym()
  snappy: [true, true, true, 100_003, true],
  // C++, registered by a constructor
  bcrypt: [60, 4, true, false, true, false],
  // C, async works and references
  'classic-level': [['b', 'key'], true, true, [100_003, 1]],
  // C++, libuv's handles beside Node-API
  zeromq: ['question 0: true', 'question 1: true', 'question 2: true'],
  // Rust, a stub that unpacks the real addon and opens it by itself
  '@swc/core': [true, false, true, 'function add(n,d){return n+d}', 'refused'],
  // C, five functions, registered by a constructor
  bufferutil: ['lcpo', true],
  // C++, threads of its own and thread-safe functions, registered by a constructor
  '@parcel/watcher': [[['create', 'a.txt']], [['create', 'a.txt']]]
}

// Where @swc/core unpacks: not the home of whoever runs the tests.
const unpacked = path.join(root, '.cache', 'swc')

for (const [name, expected] of Object.entries(ADDONS)) {
  test(`${name} works as ever while it is watched, and its counts go back to where they were`, async () => {
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
    for (const result of [...results, unwatched]) assert.deepStrictEqual(result, expected)

    // THEN it was seen from its first call on
    const own = rows.filter(({ file }) => file.includes(`${path.sep}node_modules${path.sep}`))
    assert.ok(own.length > 0, JSON.stringify(rows))
    for (const { api, coverage, coverageReason } of own) assert.deepStrictEqual([api, coverage, coverageReason], ['node-api', 'full', null])

    // THEN what it held after five times it holds after fifteen
    for (const { before, after } of own) assert.deepStrictEqual(after, before)
  })
}
