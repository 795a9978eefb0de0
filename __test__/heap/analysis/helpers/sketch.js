'use strict'

// Snapshots drawn by hand, in V8's format. Node 0 is the root; ids are 2 × ordinal + 1.

const fs = require('node:fs')
const os = require('node:os')
const path = require('node:path')

const nodeTypes = ['hidden', 'array', 'string', 'object', 'code', 'closure', 'regexp', 'number', 'native', 'synthetic',
  'concatenated string', 'sliced string', 'symbol', 'bigint', 'object shape']
const edgeTypes = ['context', 'element', 'property', 'internal', 'hidden', 'shortcut', 'weak']

class Sketch {
  nodes = []
  edges = []
  locations = []
  strings = ['<dummy>']

  constructor () {
    this.node('synthetic', '', 0)
  }

  #string (text) {
    const known = this.strings.indexOf(text)
    return known !== -1 ? known : this.strings.push(text) - 1
  }

  /** @returns {number} the ordinal */
  node (type, name, size, id) {
    return this.nodes.push({ type: nodeTypes.indexOf(type), name: this.#string(name), size, id: id ?? 2 * this.nodes.length + 1 }) - 1
  }

  edge (from, type, name, to) {
    const isNumber = type === 'element' || type === 'hidden'
    this.edges.push({ from, type: edgeTypes.indexOf(type), name: isNumber ? name : this.#string(name), to })
    return this
  }

  location (node, script, line, column) {
    this.locations.push([node, script, line, column])
  }

  /**
   * @param {{ nodeFields?: string[], edgeFields?: string[], order?: string[] }} [layout] fields in any order
   */
  json ({
    nodeFields = ['type', 'name', 'id', 'self_size', 'edge_count', 'detachedness'],
    edgeFields = ['type', 'name_or_index', 'to_node'],
    order = ['snapshot', 'nodes', 'edges', 'trace_function_infos', 'trace_tree', 'samples', 'locations', 'strings']
  } = {}) {
    const width = nodeFields.length
    const nodes = []
    const edges = []
    this.nodes.forEach((node, ordinal) => {
      const own = this.edges.filter((edge) => edge.from === ordinal)
      const fields = { type: node.type, name: node.name, id: node.id, self_size: node.size, edge_count: own.length }
      nodes.push(...nodeFields.map((field) => fields[field] ?? 0))
      for (const edge of own) {
        const fields = { type: edge.type, name_or_index: edge.name, to_node: edge.to * width }
        edges.push(...edgeFields.map((field) => fields[field] ?? 0))
      }
    })
    const sections = {
      snapshot: {
        meta: {
          node_fields: nodeFields,
          node_types: nodeFields.map((field) => field === 'type' ? nodeTypes : 'number'),
          edge_fields: edgeFields,
          edge_types: edgeFields.map((field) => field === 'type' ? edgeTypes : 'number'),
          trace_function_info_fields: ['function_id', 'name', 'script_name', 'script_id', 'line', 'column'],
          trace_node_fields: ['id', 'function_info_index', 'count', 'size', 'children'],
          sample_fields: ['timestamp_us', 'last_assigned_id'],
          location_fields: ['object_index', 'script_id', 'line', 'column']
        },
        node_count: this.nodes.length,
        edge_count: this.edges.length,
        trace_function_count: 0
      },
      nodes,
      edges,
      trace_function_infos: [],
      trace_tree: [],
      samples: [],
      locations: this.locations.flatMap(([node, ...place]) => [node * width, ...place]),
      strings: this.strings
    }
    return JSON.stringify(Object.fromEntries(order.map((name) => [name, sections[name]])))
  }
}

/** A folder that is gone when the test is. */
function temporaryFolder (t) {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'offheap-snapshot-'))
  t.after(() => fs.rmSync(folder, { recursive: true, force: true }))
  return folder
}

/** Writes a text into a file of its own. */
function file (t, text, name = 'sketch.heapsnapshot') {
  const full = path.join(temporaryFolder(t), name)
  fs.writeFileSync(full, text)
  return full
}

/**
 * A service with a leak, as V8 would write it:
 *
 *   root ─(shortcut)─► global ─.sessions─► Map ─table─► (array) ─1─► Session ─.user─► User ─.name─► "ada"
 *     │                   │                                 ├──3─► Session ─.buffer─► Buffer ─buffer─► ArrayBuffer ─backing_store─► 4096 bytes
 *     │                   │                                 └──5─► Session
 *     │                   └─.handler─► closure ─context─► Context ─cache─► Object ─.a─► "aaa…" (sliced) ─parent─► long string
 *     └─► (GC roots) ─► (Strong roots) ─► global
 */
function leakySketch () {
  const sketch = new Sketch()
  const roots = sketch.node('synthetic', '(GC roots)', 0)
  const strong = sketch.node('synthetic', '(Strong roots)', 0)
  const global = sketch.node('object', 'global', 100)
  const map = sketch.node('object', 'Map', 32)
  const table = sketch.node('array', '', 200)
  const sessions = [0, 1, 2].map(() => sketch.node('object', 'Session', 48))
  const user = sketch.node('object', 'User', 24)
  const name = sketch.node('string', 'ada', 20)
  const buffer = sketch.node('object', 'Buffer', 96)
  const arrayBuffer = sketch.node('object', 'ArrayBuffer', 88)
  const store = sketch.node('native', 'system / JSArrayBufferData', 4096)
  const closure = sketch.node('closure', 'handler', 64)
  const context = sketch.node('object', 'system / Context', 40)
  const cache = sketch.node('object', 'Object', 56)
  const slice = sketch.node('sliced string', '(sliced string)', 32)
  const parent = sketch.node('string', 'aaaaaaaaaaaaaaaaaaaaaaaaaaaa', 8000)
  const shape = sketch.node('object shape', 'system / Map', 72)
  const shared = sketch.node('code', 'handler', 56)
  const script = sketch.node('code', 'server.js', 64)
  const scriptName = sketch.node('string', 'server.js', 24)
  sketch
    .edge(0, 'element', 1, roots)
    .edge(0, 'shortcut', '2', global)
    .edge(roots, 'element', 0, strong)
    .edge(strong, 'element', 0, global)
    .edge(global, 'property', 'sessions', map)
    .edge(global, 'property', 'handler', closure)
    .edge(map, 'internal', 'table', table)
    .edge(table, 'internal', '1', sessions[0])
    .edge(table, 'internal', '3', sessions[1])
    .edge(table, 'internal', '5', sessions[2])
    .edge(sessions[0], 'property', 'user', user)
    .edge(user, 'property', 'name', name)
    .edge(sessions[1], 'property', 'buffer', buffer)
    .edge(buffer, 'internal', 'buffer', arrayBuffer)
    .edge(arrayBuffer, 'internal', 'backing_store', store)
    .edge(closure, 'internal', 'context', context)
    .edge(closure, 'internal', 'shared', shared)
    .edge(shared, 'internal', 'script', script)
    .edge(script, 'internal', 'name', scriptName)
    .edge(context, 'context', 'cache', cache)
    .edge(cache, 'property', 'a', slice)
    .edge(slice, 'internal', 'parent', parent)
  for (const session of sessions) sketch.edge(session, 'internal', 'map', shape)
  sketch.edge(shape, 'weak', 'prototype', user)
  sketch.location(closure, 7, 41, 9)
  return sketch
}

module.exports = { Sketch, file, leakySketch, temporaryFolder }
