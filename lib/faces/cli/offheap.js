#!/usr/bin/env node
'use strict'

// The command `offheap`. Exit codes: 0 done, 1 failed, 2 wrong usage, 130 interrupted.

const fs = require('node:fs')
const os = require('node:os')
const path = require('node:path')
const { pipeline } = require('node:stream/promises')
const { parseArgs } = require('node:util')
const { fit } = require('./fit.js')
const { progressBar } = require('./progress.js')
const { styles } = require('./styles.js')
const { analysisText, comparisonText, retainersText } = require('../../heap/text.js')
const { nearest } = require('../../base/validate.js')

const USAGE = `Usage:
  offheap analyze FILE [--top N] [--paths N] [--filter TEXT] [--json]
  offheap diff BEFORE AFTER [--top N] [--paths N] [--filter TEXT] [--json]
  offheap retainers FILE --id N [--top N] [--json]
  offheap redact FILE OUT [--salt TEXT] [--json]

FILE, BEFORE and AFTER are .heapsnapshot or .heapsnapshot.gz files, or - for standard input. OUT may be - for standard output.

  --top N        rows per table (default: 20)
  --paths N      retaining paths per class (default: 1; diff: 3)
  --filter TEXT  only classes whose name contains TEXT
  --id N         the object's id, as the reports and DevTools show it: 58977 or @58977
  --salt TEXT    16 characters or more; equal strings get equal hashes in every file redacted with it
                 (default: a random key that is not kept)
  --json         the whole result as JSON; a failure as { error: { code, message } }
  -h, --help     this text
  -v, --version  the version
`

const COMMANDS = {
  analyze: { files: 1, options: ['top', 'paths', 'filter'] },
  diff: { files: 2, options: ['top', 'paths', 'filter'] },
  retainers: { files: 1, options: ['top', 'id'] },
  redact: { files: 2, options: ['salt'] }
}

class UsageError extends Error {}

function parse (argv) {
  let parsed
  try {
    parsed = parseArgs({
      args: argv,
      allowPositionals: true,
      options: {
        top: { type: 'string' },
        paths: { type: 'string' },
        filter: { type: 'string' },
        id: { type: 'string' },
        salt: { type: 'string' },
        json: { type: 'boolean' },
        help: { type: 'boolean', short: 'h' },
        version: { type: 'boolean', short: 'v' }
      }
    })
  } catch (error) {
    throw new UsageError(error.message)
  }
  const { values, positionals: [name, ...files] } = parsed
  if (values.help || values.version) return { values }
  if (name === undefined) throw new UsageError('a command is missing')
  if (!Object.hasOwn(COMMANDS, name)) {
    const near = nearest(name, Object.keys(COMMANDS))
    throw new UsageError(`unknown command "${name}"${near === undefined ? '' : `; did you mean "${near}"?`}`)
  }
  const command = COMMANDS[name]
  if (files.length !== command.files) throw new UsageError(`${name} takes ${command.files === 1 ? 'one file' : `${command.files} files`}, got ${files.length}`)
  for (const option of Object.keys(values)) {
    if (option !== 'json' && !command.options.includes(option)) throw new UsageError(`${name} has no option --${option}`)
  }
  for (const option of ['top', 'paths', 'id']) {
    if (values[option] === undefined) continue
    if (option === 'id') values.id = values.id.replace(/^@/, '')
    if (!/^\d{1,15}$/.test(values[option])) throw new UsageError(`--${option} must be a whole number, got "${values[option]}"`)
    values[option] = Number(values[option])
  }
  if (name === 'retainers' && values.id === undefined) throw new UsageError('retainers needs --id')
  if (name === 'diff' && files.every((file) => file === '-')) throw new UsageError('diff can read one of its files from standard input, not both')
  if (name === 'redact' && files[1] === '-' && values.json) throw new UsageError('redact has one standard output: the copy or --json')
  return { name, files, values }
}

async function execute ({ name, files, values }, common, analysis, style) {
  const { json, ...options } = values
  switch (name) {
    case 'analyze': {
      const result = await analysis.analyzeHeapSnapshot(files[0], { ...options, ...common })
      return json ? result : analysisText(result, style)
    }
    case 'diff': {
      const result = await analysis.compareHeapSnapshots(files[0], files[1], { paths: 3, ...options, ...common })
      return json ? result : comparisonText(result, style)
    }
    case 'retainers': {
      const result = await analysis.analyzeHeapSnapshot(files[0], { ...options, ...common })
      return json ? result.object : retainersText(result, style)
    }
    default: {
      if (files[1] === '-') return redactToOutput(files[0], { ...options, ...common }, analysis)
      const result = await analysis.redactHeapSnapshot(files[0], files[1], { ...options, ...common })
      return json
        ? result
        : `${result.file}: ${result.redactedCount} strings redacted, ${result.keptCount} names kept\n`
    }
  }
}

/** Redacts to standard output through a temporary file, because a copy is written as a whole or not at all. */
async function redactToOutput (file, options, analysis) {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'offheap-redact-'))
  try {
    const copy = path.join(directory, 'redacted.heapsnapshot')
    await analysis.redactHeapSnapshot(file, copy, options)
    await pipeline(fs.createReadStream(copy), process.stdout, { end: false })
    return ''
  } finally {
    fs.rmSync(directory, { recursive: true, force: true })
  }
}

async function main (argv) {
  const wantsJson = argv.includes('--json')
  let command
  try {
    command = parse(argv)
  } catch (error) {
    if (!(error instanceof UsageError)) throw error
    if (wantsJson) process.stdout.write(errorJson('ERR_INVALID_ARG_VALUE', error.message))
    else process.stderr.write(`offheap: ${error.message}\n\n${USAGE}`)
    return 2
  }
  if (command.values.help) {
    process.stdout.write(USAGE)
    return 0
  }
  if (command.values.version) {
    process.stdout.write(`${require('../../../package.json').version}\n`)
    return 0
  }

  const controller = new AbortController()
  const interrupt = () => controller.abort()
  process.once('SIGINT', interrupt)
  const bar = progressBar(process.stderr)
  try {
    // Loaded here, so that --help also works without the addon.
    const analysis = require('../../../analysis.js')
    const common = { signal: controller.signal, onProgress: bar.onProgress }
    const answer = await execute(command, common, analysis, styles(process.stdout, process.env))
    bar.done()
    process.stdout.write(typeof answer === 'string' ? fit(answer, process.stdout.columns) : `${JSON.stringify(answer, null, 2)}\n`)
    return 0
  } catch (error) {
    bar.done()
    if (error.code === 'ERR_OFFHEAP_ABORTED') return 130
    if (wantsJson && error.code !== undefined) process.stdout.write(errorJson(error.code, error.message))
    else process.stderr.write(error.code === undefined ? `${error.stack}\n` : `offheap: ${error.message} (${error.code})\n`)
    return error.code === 'ERR_OUT_OF_RANGE' || error.code === 'ERR_INVALID_ARG_VALUE' ? 2 : 1
  } finally {
    process.removeListener('SIGINT', interrupt)
  }
}

function errorJson (code, message) {
  return `${JSON.stringify({ error: { code, message } }, null, 2)}\n`
}

process.stdout.on('error', ({ code, message }) => {
  // `| head` closes the pipe, which is no failure.
  if (code === 'EPIPE') process.exit(0)
  process.stderr.write(`offheap: standard output could not be written: ${message}\n`)
  process.exit(1)
})
main(process.argv.slice(2)).then((code) => { process.exitCode = code })
