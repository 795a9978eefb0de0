'use strict'

// docs/architecture.md says which rooms import which, and where `unsafe` is. This is what is true; a change here is one there.

const test = require('node:test')
const assert = require('node:assert')
const fs = require('node:fs')
const path = require('node:path')

const root = path.join(__dirname, '..', '..')

const FOR_ALL = ['base']
const BESIDE = { external: ['addons'] }

const UNSAFE_FILES = ['base/elf/images.rs', 'base/fork_lock.rs', 'bindings/addons.rs', 'bindings/external.rs', 'external/finalizer.rs', 'memory/malloc.rs']
const UNSAFE_ROOMS = ['addons/hooks', 'probe']

const SYS_FILES = ['addons/hooks/calls.rs', 'addons/hooks/environments.rs', 'external/block_owner.rs', 'external/finalizer.rs']

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

test('napi\'s types stop at the bindings, and its raw ones at four files', () => {
  const using = files.filter(({ room, code }) => room !== 'bindings' && /\bnapi(::|_derive)/.test(code)).map(({ name }) => name).sort()
  assert.deepStrictEqual(using, SYS_FILES)
})

test('the page names the same files and rooms', () => {
  const page = fs.readFileSync(path.join(root, 'docs', 'architecture.md'), 'utf8')
  for (const name of UNSAFE_FILES) assert.ok(page.includes(`\`src/${name}\``), name)
  for (const name of SYS_FILES) assert.ok(page.includes(`\`${path.basename(name)}\``), name)
  for (const room of new Set(files.map(({ room }) => room).filter((room) => room !== 'bindings' && room !== 'lib'))) assert.match(page, new RegExp(`\`src/${room}(/|\\.rs)`), room)
})
