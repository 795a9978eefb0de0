'use strict'

// Real snapshots, made by a child: a heap of its own, and a time limit.

const { spawnSync } = require('node:child_process')
const path = require('node:path')

/**
 * Runs `script` in a child of the Node under test; `out(n)` in it is the path of the n-th snapshot.
 * @returns {(n: number) => string}
 */
function inChild (folder, script) {
  const out = (n) => path.join(folder, `real-${n}.heapsnapshot`)
  const child = spawnSync(process.execPath, ['--expose-gc', '-e', `
    const v8 = require('node:v8')
    const snapshot = (n) => v8.writeHeapSnapshot(${JSON.stringify(folder)} + '/real-' + n + '.heapsnapshot')
    ${script}
  `], { encoding: 'utf8', timeout: 120_000 })
  if (child.status !== 0) throw new Error(`the child ended with ${child.signal ?? child.status}: ${child.stderr}`)
  return out
}

module.exports = { inChild }
