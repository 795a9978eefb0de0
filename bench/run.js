'use strict'

// Runs one benchmark: npm run bench -- <name> [--json] [--rounds N] [--long] [more arguments]
//
// A benchmark is bench/<name>.js, which exports
//
//   module.exports = async function ({ rounds, long, args }) → { rows: [...], notes: [...] }
//
//   rounds   how often each measurement is repeated, interleaved with what it is compared to (default 7)
//   long     true with --long: sizes that take minutes
//   args     the arguments that this file does not know, as they stood
//   rows     plain objects, one per line of the table. The keys of all rows together are the columns, in the order of
//            first use. `name` comes first; `ratio` is the answer where there is one: ours ÷ theirs, medians of one run.
//            Numbers carry their unit in the key (`medianNs`, `rssBytes`).
//   notes    sentences printed below the table: what was compared, what to make of it
//
// Measurements that are compared are taken in one run, in turns (helpers.js, `interleave`): the machine's mood changes
// between runs by more than what is measured here.

const { execFileSync } = require('node:child_process')
const fs = require('node:fs')
const os = require('node:os')
const path = require('node:path')

main().catch((error) => {
  process.stderr.write(`${error.stack}\n`)
  process.exitCode = 1
})

async function main () {
  const { name, json, rounds, long, args } = parse(process.argv.slice(2))
  const known = fs.readdirSync(__dirname)
    .filter((file) => file.endsWith('.js') && file !== 'run.js' && file !== 'helpers.js')
    .map((file) => file.slice(0, -3))
  if (!known.includes(name)) {
    throw new Error(`Which benchmark? npm run bench -- <name>, where <name> is one of: ${known.join(', ')}`)
  }
  const head = machine(name, rounds)
  if (!json) process.stdout.write(`${Object.entries(head).map(([key, value]) => `${key}: ${value}`).join('\n')}\n\n`)
  const { rows, notes = [] } = await require(path.join(__dirname, `${name}.js`))({ rounds, long, args })
  if (json) process.stdout.write(`${JSON.stringify({ ...head, rows, notes }, null, 2)}\n`)
  else process.stdout.write(`${table(rows)}${notes.map((note) => `\n${note}`).join('')}\n`)
}

function parse (argv) {
  const parsed = { name: undefined, json: false, rounds: 7, long: false, args: [] }
  for (let i = 0; i < argv.length; i++) {
    if (argv[i] === '--json') parsed.json = true
    else if (argv[i] === '--long') parsed.long = true
    else if (argv[i] === '--rounds') {
      parsed.rounds = Number(argv[++i])
      if (!Number.isInteger(parsed.rounds) || parsed.rounds < 1) throw new Error(`--rounds needs a whole number of at least 1, received ${argv[i]}`)
    } else if (parsed.name === undefined && !argv[i].startsWith('-')) parsed.name = argv[i]
    else parsed.args.push(argv[i])
  }
  return parsed
}

function machine (name, rounds) {
  return {
    benchmark: name,
    machine: `${os.cpus().length} × ${os.cpus()[0]?.model.trim() ?? process.arch}, ${Math.round(os.totalmem() / 2 ** 30)} GiB, ${os.type()} ${os.release()} ${process.arch}`,
    node: process.version,
    v8: process.versions.v8,
    commit: commit(),
    rounds
  }
}

function commit () {
  try {
    const git = (...args) => execFileSync('git', args, { cwd: __dirname, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim()
    return `${git('rev-parse', '--short', 'HEAD')}${git('status', '--porcelain', '--untracked-files=no') === '' ? '' : ' with changes'}`
  } catch {
    return 'unknown (no git checkout)'
  }
}

/** An aligned text table: words to the left, numbers to the right. */
function table (rows) {
  const columns = [...new Set(rows.flatMap((row) => Object.keys(row)))]
  const cells = rows.map((row) => columns.map((column) => cell(row[column])))
  const widths = columns.map((column, index) => Math.max(column.length, ...cells.map((line) => line[index].length)))
  const numeric = columns.map((column) => rows.every((row) => typeof row[column] !== 'string'))
  const line = (values) => values
    .map((value, index) => numeric[index] ? value.padStart(widths[index]) : value.padEnd(widths[index]))
    .join('  ').trimEnd()
  return [line(columns), line(widths.map((width) => '-'.repeat(width))), ...cells.map(line), ''].join('\n')
}

function cell (value) {
  if (value === undefined) return ''
  if (typeof value !== 'number') return String(value)
  if (Number.isInteger(value)) return value.toLocaleString('en-US')
  return value.toLocaleString('en-US', { maximumSignificantDigits: 4 })
}
