'use strict'

// An addon observes nothing of being watched: statuses, results, last errors, finalizers (which, when, with what, on which thread, in
// which order), exceptions, the end of an environment. Both transcripts are of the same Node; docs/addons.md says how it is done.

const assert = require('node:assert')
const path = require('node:path')
const { runChild } = require('../../helpers/child.js')

const script = path.join(__dirname, '..', 'fixtures', 'conformance.js')
const watch = path.join(__dirname, '..', 'fixtures', 'watch.js')

// How many lines of a part are said by finalizers and the like, at least: a part that says nothing would agree with anything.
const PARTS = { references: 1, finalizers: 13, wraps: 6, memory: 13, functions: 6, works: 4, promises: 0, end: 22, exit: 1 }

/**
 * Fails unless the conformance addon, compiled in this way (see fixture-addon.js), says the same watched and unwatched.
 * @param {string} file of the addon
 * @param {keyof typeof PARTS} part
 * @param {('counts' | 'all')[]} [ways] what is watched: counts alone, or stacks and Buffers too
 */
async function conforms (file, part, ways = ['counts', 'all']) {
  // GIVEN the transcript of a process that never heard of offheap
  const bare = await runChild(script, { args: [file, part], execArgv: ['--expose-gc'] })
  assert.doesNotMatch(bare.stdout, /FAILED/)
  assert.strictEqual(bare.code, part === 'exit' ? 7 : 0, bare.stderr)
  const native = bare.stdout.split('\n').filter((line) => line.startsWith('  '))
  assert.ok(native.length >= PARTS[part], bare.stdout)

  for (const what of ways) {
    // WHEN offheap watches from the start
    const watched = await runChild(script, { args: [file, part], execArgv: ['--expose-gc', '--require', watch], env: { OFFHEAP_TEST_WATCH: what } })

    // THEN nothing is different, and it did watch
    assert.strictEqual(watched.stdout, bare.stdout, what)
    assert.strictEqual(watched.code, bare.code, watched.stderr)
    const saw = JSON.parse(/^offheap saw (.*)$/m.exec(watched.stderr)[1])
    assert.deepStrictEqual(saw.filter((row) => row.file === file && row.threadId === 0).map(({ coverage, coverageReason }) => ({ coverage, coverageReason })),
      [{ coverage: 'full', coverageReason: null }])
  }
}

module.exports = { PARTS, conforms }
