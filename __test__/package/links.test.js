'use strict'

// Links and mentions lead somewhere: in the pages, in the declarations, in messages and in comments.

const test = require('node:test')
const assert = require('node:assert')
const fs = require('node:fs')
const path = require('node:path')

const root = path.join(__dirname, '..', '..')

const pages = ['README.md', 'CONTRIBUTING.md', 'CHANGELOG.md', ...list('docs')]

function list (folder) {
  return fs.readdirSync(path.join(root, folder), { recursive: true }).map((name) => path.join(folder, name)).filter((name) => fs.statSync(path.join(root, name)).isFile())
}

function read (file) {
  return fs.readFileSync(path.join(root, file), 'utf8')
}

/** The anchors of a page, as GitHub makes them of headings. */
function anchors (file) {
  return [...read(file).replace(/^```[\s\S]*?^```/gm, '').matchAll(/^#+ (.*)$/gm)].map(([, heading]) => heading.toLowerCase().replace(/[^\p{L}\p{N} _-]/gu, '').replaceAll(' ', '-'))
}

test('every link of a page leads to a file, and to a heading of it', () => {
  const dead = []
  let count = 0
  for (const page of pages) {
    for (const [, link] of read(page).matchAll(/\]\(([^)\s]+)\)/g)) {
      if (/^[a-z]+:/.test(link)) continue
      count++
      const [name, anchor] = link.split('#')
      const file = name === '' ? page : path.join(path.dirname(page), name)
      if (!fs.existsSync(path.join(root, file)) || (anchor !== undefined && !anchors(file).includes(anchor))) dead.push(`${page}: ${link}`)
    }
  }
  assert.deepStrictEqual(dead, [])
  assert.ok(count > 80, `only ${count} links`)
})

test('every page, test, and file of ours that a text names is there', () => {
  const texts = [...pages, 'index.js', ...['lib', 'src', 'types', 'scripts', 'bench', 'examples', '__test__'].flatMap(list).filter((name) => /\.(js|mjs|cjs|ts|rs)$/.test(name) && !name.includes('node_modules'))]
  const dead = []
  let count = 0
  for (const text of texts) {
    for (const [name] of read(text).matchAll(/\b(?:docs|lib|src|types|__test__|bench|scripts|examples)\/[\w./-]+\.(?:md|js|rs|d\.ts)\b/g)) {
      count++
      if (!fs.existsSync(path.join(root, name))) dead.push(`${text}: ${name}`)
    }
  }
  assert.deepStrictEqual(dead, [])
  assert.ok(count > 100, `only ${count} mentions`)
})
