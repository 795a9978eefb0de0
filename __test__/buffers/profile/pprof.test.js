'use strict'

const test = require('node:test')
const assert = require('node:assert')
const fs = require('node:fs')
const path = require('node:path')
const { spawnSync } = require('node:child_process')
const { gunzipSync } = require('node:zlib')
// Written by others, and by other means: it decodes what we encode.
const { Profile } = require('pprof-format')
const { bufferProfile, createRouteContext } = require('../../..')
const { startTracking } = require('../../../lib/buffers/profile/tracking.js')
const { trackingSettings } = require('../../../lib/buffers/track-buffers.js')
const { emptyFolder } = require('../../helpers/folder.js')

/** A profile with three sites; returns what it kept. */
function fill (t) {
  const tracking = startTracking(trackingSettings('options', { maxOverhead: 1 }), 5)
  t.after(() => tracking.stop())
  return [firstSite(), createRouteContext('GET /päth').run(secondSite), ...Array.from({ length: 1_000 }, thirdSite)]
}

function firstSite () { return Buffer.alloc(123_456_789) }
function secondSite () { return Buffer.allocUnsafeSlow(98_765_432) }
function thirdSite () { return Buffer.from('a semicolon; and a line break') }

test('a pprof decoder reads the same figures as the object has', (t) => {
  const kept = fill(t)
  const expected = bufferProfile()
  const before = Date.now()
  const written = bufferProfile({ format: 'pprof' })
  const profile = Profile.decode(gunzipSync(written))
  const text = (index) => profile.stringTable.strings[Number(index)]

  assert.ok(Buffer.isBuffer(written))
  assert.deepStrictEqual(profile.sampleType.map(({ type, unit }) => [text(type), text(unit)]), [
    ['alloc_objects', 'count'], ['alloc_space', 'bytes'], ['inuse_objects', 'count'], ['inuse_space', 'bytes']
  ])
  assert.strictEqual(text(profile.defaultSampleType), 'inuse_space')
  assert.deepStrictEqual([text(profile.periodType.type), text(profile.periodType.unit), Number(profile.period)], ['space', 'bytes', 524_288])
  assert.strictEqual(Math.round(Number(profile.timeNanos) / 1e6), Date.parse(expected.startedAt))
  assert.ok(Number(profile.durationNanos) / 1e6 >= before - Date.parse(expected.startedAt))

  const functions = new Map(profile.function.map((it) => [Number(it.id), { functionName: text(it.name), file: text(it.filename) }]))
  const locations = new Map(profile.location.map((it) => [Number(it.id), {
    ...functions.get(Number(it.line[0].functionId)), line: Number(it.line[0].line)
  }]))
  const decoded = profile.sample.map((sample) => ({
    stack: sample.locationId.map((id) => locations.get(Number(id))),
    values: sample.value.map(Number),
    route: sample.label.map(({ key, str }) => [text(key), text(str)])
  })).filter(({ values }) => values[0] > 0)
  const wanted = expected.sites.flatMap(({ stack, routes }) => Object.entries(routes).map(([route, figures]) => ({
    stack: stack.map(({ functionName, file, line }) => ({ functionName: functionName || '(anonymous)', file, line })),
    values: [figures.totalCount, figures.totalBytes, figures.liveCount, figures.liveBytes],
    route: route === '(no route)' ? [] : [['route', route]]
  })))
  const order = (rows) => rows.map((row) => JSON.stringify(row)).sort()

  assert.deepStrictEqual(order(decoded), order(wanted))
  assert.ok(decoded.some(({ route, values }) => route[0]?.[1] === 'GET /päth' && values[3] === 98_765_432))
  assert.strictEqual(kept.length, 1_002)
})

const go = spawnSync('go', ['version'], { stdio: 'ignore' }).status === 0

test('go tool pprof reads it', { skip: go ? false : 'needs Go; run by hand with 1.19 on 2026-11-21' }, (t) => {
  const kept = fill(t)
  const file = path.join(emptyFolder(t), 'buffers.pb.gz')
  fs.writeFileSync(file, bufferProfile({ format: 'pprof' }))
  const { status, stdout, stderr } = spawnSync('go', ['tool', 'pprof', '-top', '-unit=B', file], { encoding: 'utf8' })

  assert.strictEqual(status, 0, stderr)
  assert.match(stdout, /Type: inuse_space/)
  assert.match(stdout, /123456789B .* firstSite/)
  assert.match(stdout, /98765432B .* secondSite/)
  assert.strictEqual(kept.length, 1_002)
})

test('folded stacks have one line per site, outermost first, and nothing in a name that would split it', (t) => {
  const kept = fill(t)
  const lines = bufferProfile({ format: 'folded' }).split('\n')

  assert.strictEqual(lines.pop(), '')
  const line = lines.find((it) => it.includes('firstSite'))
  const [, stack, bytes] = /^(.*) (\d+)$/.exec(line)
  assert.strictEqual(Number(bytes), 123_456_789)
  assert.match(stack.split(';').at(-1), /^firstSite \(.*pprof\.test\.js:\d+\)$/)
  assert.match(stack.split(';').at(-2), /^fill /)
  for (const each of lines) assert.match(each, /^[^;]+(;[^;]+)* \d+$/)
  assert.strictEqual(kept.length, 1_002)
})
