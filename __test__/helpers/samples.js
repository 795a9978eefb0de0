'use strict'

// The code in README.md, CONTRIBUTING.md and docs/, the @example blocks of the type declarations, and a folder in which it is an application's.

const fs = require('node:fs')
const path = require('node:path')
const { emptyFolder } = require('./folder.js')

const root = path.join(__dirname, '..', '..')

/** What the word behind the three backquotes may be. `text` is what a program printed, a drawing, a formula. */
const LANGUAGES = ['js', 'json', 'sh', 'text']

/**
 * @returns {{ name: string, language: string, source: string }[]} `name`: file and line
 */
function samples () {
  const pages = ['README.md', 'CONTRIBUTING.md', ...list('docs', '.md')]
  return [...pages.flatMap(fenced), ...[...list('.', '.d.ts'), ...list('.', '.d.mts'), ...list('types', '.d.ts')].flatMap(examples)]
}

function list (folder, ending) {
  return fs.readdirSync(path.join(root, folder)).filter((name) => name.endsWith(ending)).sort().map((name) => path.join(folder, name))
}

function fenced (file) {
  const found = []
  let open
  fs.readFileSync(path.join(root, file), 'utf8').split('\n').forEach((line, index) => {
    const fence = /^\s*```(.*)$/.exec(line)
    if (fence !== null && open === undefined) open = { name: `${file}:${index + 1}`, language: fence[1], lines: [] }
    else if (fence !== null) {
      found.push({ name: open.name, language: open.language, source: `${open.lines.join('\n')}\n` })
      open = undefined
    } else open?.lines.push(line)
  })
  if (open !== undefined) throw new Error(`${open.name} does not end`)
  return found
}

function examples (file) {
  const found = []
  let open
  fs.readFileSync(path.join(root, file), 'utf8').split('\n').forEach((line, index) => {
    const text = /^\s*\* ?(.*)$/.exec(line)?.[1]
    if (open !== undefined && (text === undefined || text === '/' || text.startsWith('@'))) {
      found.push({ name: open.name, language: 'js', source: `${open.lines.join('\n')}\n` })
      open = undefined
    } else open?.lines.push(text)
    if (text?.startsWith('@example')) open = { name: `${file}:${index + 1}`, lines: [] }
  })
  return found
}

/** The samples in JavaScript, each with the name of a file that it could be: a module with `import` is .mjs. */
function scripts () {
  return samples().filter(({ language }) => language === 'js').map((sample) => ({
    ...sample,
    file: `${sample.name.replaceAll(/[^\w]/g, '-')}.${/^(import|export) /m.test(sample.source) ? 'mjs' : 'cjs'}`,
    isJest: /\bexpect[.(]/.test(sample.source)
  }))
}

/** An application's folder: offheap and what it is used with are installed, by links. */
function application (t) {
  const folder = emptyFolder(t)
  const modules = path.join(folder, 'node_modules')
  fs.mkdirSync(modules)
  for (const name of fs.readdirSync(path.join(root, 'node_modules'))) fs.symlinkSync(path.join(root, 'node_modules', name), path.join(modules, name))
  fs.symlinkSync(root, path.join(modules, 'offheap'))
  return folder
}

module.exports = { LANGUAGES, application, root, samples, scripts }
