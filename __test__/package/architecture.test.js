'use strict'

// docs/architecture.md says which rooms import which, and where `unsafe` is. This is what is true; a change here is one there. And no file imports
// itself on a way through others, on either side.

const test = require('node:test')
const assert = require('node:assert')
const fs = require('node:fs')
const path = require('node:path')

const root = path.join(__dirname, '..', '..')

const FOR_ALL = ['base']
const BESIDE = { external: ['addons'] }

const UNSAFE_FILES = ['base/elf/images.rs', 'base/fork_lock.rs', 'bindings/addons.rs', 'bindings/external.rs',
  'external/native_block.rs', 'external/pending_batch.rs', 'external/raw.rs', 'external/references.rs', 'external/tracked_values.rs', 'external/weak_references.rs', 'memory/malloc.rs']
const UNSAFE_ROOMS = ['addons/hooks', 'probe']

const SYS_FILES = ['addons/hooks/calls.rs', 'addons/hooks/environments.rs', 'external/block_owner.rs', 'external/native_block.rs', 'external/raw.rs']

/** Which rooms of lib/ import which others, beside `base`; a room stands above those that it imports. The faces use the public entries, and of the rooms what is named. */
const LIB = {
  external: [],
  probe: [],
  addons: [],
  buffers: ['external', 'probe'],
  memory: ['buffers', 'external'],
  heap: ['memory', 'probe'],
  monitor: ['addons', 'buffers', 'heap', 'memory'],
  overview: ['addons', 'buffers', 'external', 'memory', 'probe'],
  faces: ['addons', 'buffers', 'external', 'heap', 'memory', 'monitor', 'overview']
}

/** All files of Rust in src/, with their room and their code: no comments. */
const files = fs.readdirSync(path.join(root, 'src'), { recursive: true }).filter((name) => name.endsWith('.rs')).map((name) => ({
  name,
  room: name.split(path.sep)[0].replace('.rs', ''),
  code: fs.readFileSync(path.join(root, 'src', name), 'utf8').replace(/\/\/.*$/gm, '')
}))

test('a room imports itself, what all may import, and what the page names', () => {
  const others = files.filter(({ room }) => room !== 'bindings' && room !== 'lib').flatMap(({ name, room, code }) =>
    [...code.matchAll(/\bcrate::(\w+)/g)].map(([, imported]) => imported)
      .filter((imported) => ![room, ...FOR_ALL, ...(BESIDE[room] ?? [])].includes(imported))
      .map((imported) => `${name} imports ${imported}`))
  assert.deepStrictEqual(others, [])
  for (const [room, [beside]] of Object.entries(BESIDE)) {
    assert.ok(files.some((file) => file.room === room && file.code.includes(`crate::${beside}`)), `${room} does not import ${beside} any more`)
  }
})

test('unsafe is in these files and in the rooms that are made of it', () => {
  const unsafe = files.filter(({ code }) => /\bunsafe (\{|fn|impl|extern)/.test(code)).map(({ name }) => name)
  assert.deepStrictEqual(unsafe.filter((name) => !UNSAFE_ROOMS.some((room) => name.startsWith(`${room}/`))).sort(), UNSAFE_FILES)
})

test('napi\'s types stop at the bindings, and its raw ones at five files', () => {
  const using = files.filter(({ room, code }) => room !== 'bindings' && /\bnapi(::|_derive)/.test(code)).map(({ name }) => name).sort()
  assert.deepStrictEqual(using, SYS_FILES)
})

test('the page names the same files and rooms', () => {
  const page = fs.readFileSync(path.join(root, 'docs', 'architecture.md'), 'utf8')
  for (const name of UNSAFE_FILES) assert.ok(page.includes(`\`src/${name}\``), name)
  for (const name of SYS_FILES) assert.ok(page.includes(`\`${path.basename(name)}\``), name)
  for (const room of new Set(files.map(({ room }) => room).filter((room) => room !== 'bindings' && room !== 'lib'))) assert.match(page, new RegExp(`\`src/${room}(/|\\.rs)`), room)
})

/** The circles of a graph: files that lead to each other. */
function circles (edges) {
  const index = new Map()
  const low = new Map()
  const stack = []
  const found = []
  function visit (file) {
    index.set(file, index.size)
    low.set(file, index.get(file))
    stack.push(file)
    for (const to of edges.get(file) ?? []) {
      if (!index.has(to)) visit(to)
      if (stack.includes(to)) low.set(file, Math.min(low.get(file), low.get(to)))
    }
    if (low.get(file) !== index.get(file)) return
    const circle = stack.splice(stack.indexOf(file))
    if (circle.length > 1) found.push(circle.sort())
  }
  for (const file of edges.keys()) if (!index.has(file)) visit(file)
  return found
}

test('the check finds circles in a sample that has some', () => {
  assert.deepStrictEqual(circles(new Map([['a', ['b']], ['b', ['c']], ['c', ['b']], ['d', ['a']]])), [['b', 'c']])
})

/** The paths of a tree of imports: `a::{b, c::d}` is `a::b` and `a::c::d`. */
function flat (tree) {
  const open = tree.indexOf('{')
  if (open === -1) return [tree]
  const parts = []
  let depth = 0
  let part = ''
  for (const character of tree.slice(open + 1, tree.lastIndexOf('}'))) {
    if (character === '{') depth++
    if (character === '}') depth--
    if (character === ',' && depth === 0) {
      parts.push(part)
      part = ''
    } else {
      part += character
    }
  }
  return [...parts, part].map((each) => each.trim()).filter(Boolean).flatMap(flat).map((rest) => tree.slice(0, open) + rest)
}

test('no file of Rust imports itself through others', () => {
  const moduleOf = (name) => name.replace(/(\/mod)?\.rs$/, '').split(path.sep).join('::')
  const modules = new Set(files.map(({ name }) => moduleOf(name)))
  const edges = new Map(files.map(({ name, code }) => {
    const own = moduleOf(name)
    const isFolder = name.endsWith('mod.rs')
    const text = code.split(/#\[cfg\(test\)\]\s+(?:pub\(crate\) )?mod tests/)[0]
    const imported = [...text.matchAll(/\b(crate|super|self)::((?:\w+|::|\{(?:[^{}]|\{[^{}]*\})*\})+)/g)].flatMap(([, base, tree]) => {
      let place = base === 'crate' ? [] : own.split('::')
      if (base === 'super') place = place.slice(0, -1)
      return flat(tree).map((rest) => [...place, ...rest.split('::')])
    })
    const targets = imported.map((parts) => {
      while (parts.length > 0 && !modules.has(parts.join('::'))) parts = parts.slice(0, -1)
      return parts.join('::')
    })
    // A folder's face names what is in it.
    return [own, targets.filter((target) => target !== '' && target !== own && !(isFolder && target.startsWith(`${own}::`)))]
  }))
  assert.ok([...edges.values()].flat().length > 300)
  assert.deepStrictEqual(circles(edges), [])
})

test('no file and no room of JavaScript imports itself through others, rooms import what the page names, and no room imports a face', () => {
  const names = ['index.js', 'analysis.js', ...fs.readdirSync(path.join(root, 'lib'), { recursive: true }).filter((name) => /\.[cm]?js$/.test(name)).map((name) => `lib/${name.split(path.sep).join('/')}`)]
  const edges = new Map(names.map((name) => {
    const text = fs.readFileSync(path.join(root, name), 'utf8').replace(/^\s*\/\/.*$/gm, '')
    return [name, [...text.matchAll(/require\('(\.[^']+)'\)/g)].map(([, to]) => path.posix.join(path.posix.dirname(name), to)).filter((to) => names.includes(to))]
  }))
  assert.ok([...edges.values()].flat().length > 200)
  assert.deepStrictEqual(circles(edges), [])
  const roomOf = (name) => name.split('/')[1]
  const arrows = [...edges].filter(([name]) => name.startsWith('lib/')).flatMap(([name, all]) => all.filter((to) => to.startsWith('lib/') && ![roomOf(name), ...FOR_ALL].includes(roomOf(to))).map((to) => `${roomOf(name)} → ${roomOf(to)}`))
  assert.deepStrictEqual([...new Set(arrows)].sort(), Object.entries(LIB).flatMap(([room, below]) => below.map((other) => `${room} → ${other}`)).sort())
  assert.deepStrictEqual(circles(new Map(Object.entries(LIB))), [])
  const isFace = (name) => name.startsWith('lib/faces/')
  const wrong = [...edges].filter(([name]) => !isFace(name) && !['index.js', 'analysis.js'].includes(name)).flatMap(([name, all]) => all.filter(isFace).map((to) => `${name} imports ${to}`))
  assert.deepStrictEqual(wrong, [])
})
