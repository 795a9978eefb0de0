'use strict'

// Writes the text of an analysis, of a comparison, and of one object's retainers.

const { bytes, clean, count, percent, shorten, signed, table } = require('../base/format.js')

const NAME_LENGTH = 48

function section (title, body, style) {
  return body === '' ? '' : `\n${style.bold(title)}\n${body}`
}

/** Names of V8's own classes. Bytes of ArrayBuffers have a name of the same form, but belong to the program. */
const OF_ENGINE = /^(\((system|compiled code|object shape|array|code|native|synthetic)\)|system \/ (?!JSArrayBufferData$).*)$/

/** A table of the program's classes, and one line for V8's own classes: they are never the first ones to look at. */
function classTable (columns, classes, cells, figure, style) {
  const own = classes.filter(({ name }) => OF_ENGINE.test(name))
  const others = classes.filter((row) => !own.includes(row))
  const line = own.map((row) => `${shorten(row.name, NAME_LENGTH)} ${figure(row)}`).join(', ')
  return (others.length > 0 ? table(columns, others.map(cells), style) : '') + (own.length > 0 ? `  ${style.dim(`V8's own: ${line}`)}\n` : '')
}

function analysisText (result, style) {
  const { totals, backingStores, strings } = result
  let out = `${style.bold(clean(result.file))}\n`
  out += `  ${count(result.nodeCount)} objects, ${count(result.edgeCount)} references, ${bytes(totals.shallowBytes)}`
  if (backingStores.bytes > 0) out += `, of which ${bytes(backingStores.bytes)} in ${count(backingStores.count)} backing stores`
  if (totals.extraNativeBytes > 0) out += `; ${bytes(totals.extraNativeBytes)} native memory without objects`
  out += '\n'

  const suspects = result.suspects.map((suspect) =>
    `  ${bytes(suspect.retainedBytes).padStart(8)}  ${style.red(clean(suspect.text))}\n            ${style.dim(`${style.path(clean(suspect.path))} @${suspect.id}`)}\n`)
  out += section('Suspects', suspects.length > 0 ? suspects.join('') : `  ${style.dim('none: no pattern that leaks often show (docs/heap-analysis.md)')}\n`, style)

  out += section(`Classes by retained size (${count(result.classes.length)} of ${count(result.classCount)})`, classTable(
    [{ title: 'class', left: true }, { title: 'count' }, { title: 'shallow' }, { title: 'retained' }, { title: '' }, { title: 'heaviest path', left: true }],
    result.classes,
    (row) => [
      shorten(row.name, NAME_LENGTH),
      count(row.count),
      bytes(row.shallowBytes),
      bytes(row.retainedBytes),
      percent(row.retainedBytes, totals.shallowBytes),
      row.paths.length > 0 ? `${row.paths[0].count < row.count ? `${count(row.paths[0].count)} via ` : ''}${style.path(clean(row.paths[0].path))}` : ''
    ],
    ({ retainedBytes }) => bytes(retainedBytes), style), style)

  out += section('Largest objects by retained size', table(
    [{ title: 'object', left: true }, { title: 'id', left: true }, { title: 'shallow' }, { title: 'retained' }, { title: 'path', left: true }],
    result.largest.map((row) => [
      shorten(objectName(row), NAME_LENGTH),
      `@${row.id}`,
      bytes(row.shallowBytes),
      bytes(row.retainedBytes),
      row.path === null ? '(not reachable)' : style.path(clean(row.path))
    ]), style), style)

  if (backingStores.paths.length > 0) {
    out += section('Backing stores by what holds them', table(
      [{ title: 'bytes' }, { title: 'count' }, { title: 'held by', left: true }],
      backingStores.paths.map((row) => [bytes(row.bytes), count(row.count), style.path(clean(row.path))]), style), style)
  }

  if (strings.duplicates.length > 0) {
    out += section(`Duplicated strings: ${bytes(strings.duplicateBytes)} in ${count(strings.duplicateCount)} copies`, table(
      [{ title: 'bytes' }, { title: 'count' }, { title: 'text', left: true }],
      strings.duplicates.map((row) => [bytes(row.bytes), count(row.count), shorten(JSON.stringify(row.text), 80)]), style), style)
  }
  if (strings.pinnedBySlices.length > 0) {
    out += section(`Strings that only their slices retain: ${bytes(strings.pinnedBySlicesBytes)}`, table(
      [{ title: 'bytes' }, { title: 'slices' }, { title: 'text', left: true }],
      strings.pinnedBySlices.map((row) => [bytes(row.bytes), count(row.sliceCount), shorten(JSON.stringify(row.text), 80)]), style), style)
  }

  if (result.closures !== null && result.closures.length > 0) {
    out += section('Closures by place', table(
      [{ title: 'function', left: true }, { title: 'count' }, { title: 'retained' }, { title: 'place', left: true }],
      result.closures.map((row) => [
        shorten(row.name || '(anonymous)', NAME_LENGTH),
        count(row.count),
        bytes(row.retainedBytes),
        `${clean(row.file ?? '(unknown)')}:${row.line}:${row.column}`
      ]), style), style)
  }

  if (result.plainObjects.length > 0) {
    out += section('Plain objects by properties', table(
      [{ title: 'count' }, { title: 'shallow' }, { title: 'retained' }, { title: 'properties', left: true }],
      result.plainObjects.map((row) => [count(row.count), bytes(row.shallowBytes), bytes(row.retainedBytes), clean(row.shape)]), style), style)
  }
  return out
}

function objectName (row) {
  if (row.type === 'closure') return `function ${row.name}`
  if (row.type.endsWith('string')) return JSON.stringify(row.name)
  return row.name || row.className
}

function comparisonText (result, style) {
  const { before, after } = result
  let out = `${style.bold(clean(before.file))}: ${count(before.nodeCount)} objects, ${bytes(before.shallowBytes)}\n`
  out += `${style.bold(clean(after.file))}: ${count(after.nodeCount)} objects, ${bytes(after.shallowBytes)} (${signed(bytes, after.shallowBytes - before.shallowBytes)})\n`
  out += growthSection(result, style)
  const atLeast = (number) => `${result.matchedById || number === 0 ? '' : '≥'}${count(number)}`
  out += section(`Classes by growth of retained size (${count(result.classes.length)} of ${count(result.classCount)})`, classTable(
    [{ title: 'class', left: true }, { title: 'new' }, { title: 'deleted' }, { title: 'delta' }, { title: 'shallow' }, { title: 'retained' }],
    result.classes,
    (row) => [
      shorten(row.name, NAME_LENGTH),
      atLeast(row.newCount),
      atLeast(row.deletedCount),
      signed(count, row.countDelta),
      signed(bytes, row.shallowBytesDelta),
      signed(bytes, row.retainedBytesDelta)
    ],
    ({ retainedBytesDelta }) => signed(bytes, retainedBytesDelta), style), style)
  if (!result.matchedById) out += `  ${style.dim(`New and deleted counts (≥) are lower bounds: ${clean(result.matchReason)}`)}\n`
  return out
}

const KINDS = {
  new: ({ count: number, className }, word, style) => `${count(number)} ${word} ${style.bold(shorten(className, NAME_LENGTH))}`,
  grown: ({ count: number, className }, word, style) => `${count(number)} larger ${style.bold(shorten(className, NAME_LENGTH))}`,
  engine: () => 'compiled code, hidden classes and other data of V8',
  offheap: () => 'retained only by offheap'
}

/** Lines with less than this share of the first line's bytes are left out. */
const SMALLEST = 0.001

function growthSection ({ growth, growthCount, matchedById }, style) {
  if (growthCount === null || (growth.length === 0 && growthCount > 0)) return ''
  const shown = growth.filter(({ bytes: sum }) => sum >= SMALLEST * growth[0].bytes)
  const width = Math.max(0, ...shown.map(({ bytes: sum }) => bytes(sum).length + 1))
  let body = shown.map((line) => growthLine(line, matchedById ? 'new' : 'more', width, style)).join('')
  if (growthCount === 0) body = `  ${style.dim('nothing')}\n`
  if (shown.length < growthCount) body += style.dim(`  … and ${count(growthCount - shown.length)} smaller ones\n`)
  return section('What has grown, by what holds it', body, style)
}

/** One line of growth, and below it the path that retains it. */
function growthLine (line, word, width, style) {
  const { bytes: sum, kind, path, mostly } = line
  let text = `  ${`+${bytes(sum)}`.padStart(width)}  ${KINDS[kind](line, word, style)}`
  if (mostly !== null) text += `, mostly ${mostly.count > 0 ? `${count(mostly.count)} ` : ''}${shorten(mostly.className, NAME_LENGTH)} (${bytes(mostly.bytes)})`
  if (path !== null) text += `\n  ${' '.repeat(width)}  ${style.dim(style.path(clean(path)))}`
  return `${text}\n`
}

function retainersText (result, style) {
  const { object } = result
  let out = `${style.bold(`${clean(objectName(object))} @${object.id}`)}\n`
  out += `  class ${clean(object.className)}, shallow ${bytes(object.shallowBytes)}, retained ${bytes(object.retainedBytes)}, distance ${object.distance ?? '–'}\n`
  out += `  ${object.path === null ? '(not reachable from any root)' : style.path(clean(object.path))}\n`
  if (object.path !== null) {
    out += section('Path from the root', object.pathSteps.map((step) =>
      `  ${step.edgeType.padEnd(8)} ${clean(step.edge)} ${style.dim('→')} ${clean(step.name || step.className)} ${style.dim(`@${step.id}`)}\n`).join(''), style)
  }
  out += section(`Retainers (${count(object.retainers.length)} of ${count(object.retainerCount)})`, table(
    [{ title: 'by', left: true }, { title: 'reference', left: true }, { title: 'retained' }, { title: 'distance' }, { title: 'path', left: true }],
    object.retainers.map((row) => [
      `${shorten(objectName(row), NAME_LENGTH)} @${row.id}`,
      `${row.edgeType} ${shorten(row.edge, 40)}`,
      bytes(row.retainedBytes),
      row.distance === null ? '–' : String(row.distance),
      row.path === null ? '' : style.path(clean(row.path))
    ]), style), style)
  out += section('Dominated by', object.dominators.map((row) =>
    `  ${bytes(row.retainedBytes).padStart(8)}  ${clean(objectName(row))} ${style.dim(`@${row.id}`)}\n`).join(''), style)
  return out
}

module.exports = { analysisText, comparisonText, retainersText }
