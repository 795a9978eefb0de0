'use strict'

// What a program leaks through something that it has handed to offheap: it is the program's, and is shown.

const test = require('node:test')
const assert = require('node:assert')
const fs = require('node:fs')
const path = require('node:path')
const { compareHeapSnapshots } = require('../../../../analysis.js')
const { support } = require('../../../..')
const { root, runChildForJson } = require('../../../helpers/child.js')
const { emptyFolder } = require('../../../helpers/folder.js')

// Each leaks 2,000 Items of 1,000 bytes and more which only offheap, or something like it, holds.
const HELD_BY_OFFHEAP = {
  'a listener of a Monitor': `
    // In a scope of its own: functions of one scope hold each other's variables.
    const listen = (service) => {
      monitor.on('sample', () => service.onSample())
      return new WeakRef(service)
    }
    const held = listen({ items: [], onSample () { return this.items } })
    return (item) => held.deref().items.push(item)`,
  'a bound listener of a Monitor': `
    const service = { items: [], onSample () { return this.items } }
    monitor.on('sample', service.onSample.bind(service))
    return weak(service, ({ items }, item) => items.push(item))`,
  'a function made of a text': `
    const items = []
    monitor.on('sample', new Function('items', 'return () => items')(items))
    return weak(items, (items, item) => items.push(item))`,
  'an async function that waits for offheap': `
    const handler = async (item) => { await offheap.settledAddons(); return item }
    return (item) => { handler(item) }`,
  'a callback on a promise of offheap': `
    return weak(offheap.settledAddons(), (waiting, item) => { waiting.then(() => item) })`,
  'Promise.race with a promise of offheap': `
    return weak(offheap.settledAddons(), (waiting, item) => { Promise.race([waiting, Promise.resolve(item)]) })`,
  'plain data in Promise.all with a promise of offheap': `
    return weak(offheap.settledAddons(), (waiting, { text }) => { Promise.all([waiting, { text }]) })`,
  'plain data on an AbortSignal that was handed to offheap': `
    const { signal } = new AbortController()
    offheap.settledAddons({ signal })
    return weak(signal, (signal, { text }) => { (signal.rows ??= []).push({ text }) })`,
  'an AbortSignal that was handed to offheap': `
    const { signal } = new AbortController()
    offheap.settledAddons({ signal })
    return weak(signal, (signal, item) => { (signal.items ??= []).push(item) })`,
  'errors of offheap': `
    const errors = globalThis.errors = []
    return (item) => { try { offheap.start({ thresholds: { nonsense: 1 } }) } catch (error) { error.item = item; errors.push(error) } }`,
  'a property on a Monitor': `
    monitor.stash = []
    return weak(monitor, ({ stash }, item) => stash.push(item))`,
  'a property on a function of offheap': `
    offheap.memory.cache = []
    return (item) => offheap.memory.cache.push(item)`,
  'a route context': `
    const contexts = globalThis.contexts = []
    return (item) => contexts.push(offheap.createRouteContext(() => item && '/a'))`,
  'an object under a name like one of offheap\'s': `
    globalThis.service = { offheapMonitor: { readings: [] } }
    return (item) => globalThis.service.offheapMonitor.readings.push(item)`,
  'a file that begins with a word like offheap\'s': `
    return weak(require(process.argv[2]), (cache, item) => cache.push(item))`
}

/** The cases that are always run; the others are variants of them. */
const ALWAYS = ['a listener of a Monitor', 'an async function that waits for offheap', 'plain data on an AbortSignal that was handed to offheap', 'a property on a Monitor']

/** Declares the test of each case that is wanted. */
function testHeldByOffheap ({ always }) {
  for (const [name, source] of Object.entries(HELD_BY_OFFHEAP)) {
    if (ALWAYS.includes(name) === always) testCase(name, source)
  }
}

function testCase (name, source) {
  test(`what the program leaks is shown though its path leads through offheap: ${name}`, { skip: support().watchAddons.available ? false : 'addons cannot be watched here' }, async (t) => {
    const folder = emptyFolder(t)
    const file = path.join(folder, 'cache.js')
    fs.writeFileSync(file, '// offheap: this cache showed up in it\nmodule.exports = []\n')
    const [before, after] = await runChildForJson(`
      const v8 = require('node:v8')
      const offheap = require(${JSON.stringify(root)})
      class Item { constructor (id) { this.id = id; this.text = Array.from({ length: 120 }, () => id) } }
      offheap.watchAddons()
      const monitor = offheap.start({ sampleIntervalMs: 1e6 })
      // Nothing but what the case is about holds what it holds.
      const weak = (object, add) => { const held = new WeakRef(object); return (item) => { add(held.deref(), item) } }
      const leak = ((monitor) => {
        ${source}
      })(monitor)
      const write = (name) => { const path = process.argv[1] + '/' + name + '.heapsnapshot'; v8.writeHeapSnapshot(path); return path }
      leak(new Item(0))
      setTimeout(() => {
        const before = write('before')
        for (let id = 0; id < 2_000; id++) leak(new Item(id))
        console.log(JSON.stringify([before, write('after')]))
        process.exit()
      }, 1)
    `, { args: [folder, file] })
    const { growth, classes } = await compareHeapSnapshots(before, after, { top: 1000 })

    if (!name.startsWith('plain')) assert.strictEqual(classes.find(({ name }) => name === 'Item')?.newCount, 2_000)
    const [most] = growth.filter(({ kind }) => kind === 'new' || kind === 'grown')
    assert.ok(most.bytes >= 1_900_000, JSON.stringify(growth.slice(0, 4)))
  })
}

module.exports = { testHeldByOffheap }
