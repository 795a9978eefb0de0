'use strict'

// Finds the name of the route that serves a request: its method and the path that it was registered with, through all routers above it.
//
// The name is not `req.baseUrl + req.route.path`: baseUrl has raw values where a router is mounted on a parameter, and Express resets it to ''
// when an error leaves the router. The route object stays in the request, so it is looked up in the app's routers, once per route.

const { METHODS } = require('node:http')

const { layerMatch, layerTemplate, pathText } = require('./layer-template.js')

// The deepest nesting of routers. Deeper ones exist only where a router is mounted in itself.
const MAX_DEPTH = 16

// The most mounts of one router that are compared with the request. Only the first ones are compared.
const MAX_CHAINS = 64

const UNKNOWN = '/(unknown)'

const methods = new Set(METHODS)

/** @type {WeakMap<object, WeakMap<object, Entry>>} app → route → entry */
const known = new WeakMap()

/**
 * Of one route: the chains of layers that lead to it, and its names by method when they are the same for every request; also the last of these
 * names, with its method, because almost all requests of a route have one method.
 * @typedef {{ chains: object[][], names: Map<string, string>, lastMethod?: string, lastName?: string }} Entry
 */
const NOT_FOUND = { chains: [], names: new Map(), lastMethod: undefined, lastName: undefined }

/**
 * @param {object} req
 * @param {object | undefined} app the outermost app
 * @returns {string | undefined} undefined while no route has taken the request
 */
function routeName (req, app) {
  const route = req.route
  if (typeof route !== 'object' || route === null || route.path === undefined) return undefined
  const entry = app === undefined ? NOT_FOUND : lookUp(app, route)
  const { method: ownMethod } = req
  if (entry.lastName !== undefined && ownMethod === entry.lastMethod) return entry.lastName
  const method = methodName(ownMethod)
  const ready = entry.names.get(method)
  if (ready !== undefined) {
    entry.lastMethod = method
    entry.lastName = ready
    return ready
  }
  const { text, fixed } = template(req, route, app, entry.chains)
  const name = `${method} ${text || '/'}`
  if (fixed) entry.names.set(method, name)
  return name
}

/** The name of a request that no route took. Without an app, routes cannot be seen, and this is the name of every request. */
function unmatchedName (req, app) {
  return `${methodName(req.method)} ${app === undefined ? '(no route)' : '(unmatched)'}`
}

// An unknown method comes from a header, through some middleware. Their number has no limit, so they have one name.
function methodName (method) {
  return methods.has(method) ? method : '(other)'
}

/** @returns {Entry} */
function lookUp (app, route) {
  let entries = known.get(app)
  if (entries === undefined) known.set(app, entries = new WeakMap())
  let entry = entries.get(route)
  if (entry !== undefined) return entry
  const chains = []
  chainsTo(route, stackOf(app), [], chains)
  entry = { chains, names: new Map(), lastMethod: undefined, lastName: undefined }
  entries.set(route, entry)
  return entry
}

/** @returns {{ text: string, fixed: boolean }} fixed: the same for every request that this route takes */
function template (req, route, app, chains) {
  const { baseUrl = '', originalUrl = '' } = req
  const path = pathname(originalUrl)
  if (chains.length === 0) {
    const text = mountedApps(req, route, app) ?? `${opaqueTemplate(app, baseUrl, path)}${pathText(route.path)}`
    return { text, fixed: false }
  }
  for (const chain of chains) {
    const mounts = chain.slice(0, -1)
    if (baseUrl !== '' && takes(mounts, baseUrl)) return chainTemplate(chain, baseUrl, chains.length)
    if (takes(chain, path)) return chainTemplate(chain, path, chains.length)
  }
  if (chains.length === 1) return chainTemplate(chains[0], undefined, 1)
  // The URL was rewritten, or an error left the router. The route is one of these.
  return { text: either(chains), fixed: false }
}

function either (chains) {
  return [...new Set(chains.slice(0, 3).map((chain) => chainTemplate(chain).text))].join('|')
}

function chainTemplate (chain, path, chainCount) {
  let text = ''
  let fixed = chainCount === 1
  let remaining = path
  for (const layer of chain) {
    const matched = remaining === undefined ? undefined : layerMatch(layer, remaining)
    const own = layerTemplate(layer, matched)
    if (own === undefined) fixed = false
    text += own ?? UNKNOWN
    if (remaining !== undefined) remaining = matched === undefined ? undefined : remaining.slice(matched.length) || '/'
  }
  return { text, fixed }
}

/** Whether all layers of a chain match, one after the other, and the whole path is matched. */
function takes (chain, path) {
  let remaining = path
  for (const layer of chain) {
    const matched = layerMatch(layer, remaining)
    if (matched === undefined) return false
    if (layer.route !== undefined) return true
    remaining = remaining.slice(matched.length) || '/'
    if (remaining[0] !== '/') return false
  }
  return remaining === '/'
}

/** The template of a route in an app that is mounted with app.use(path, other). The layer has only a closure, but the app knows its path. */
function mountedApps (req, route, app) {
  let inner = req.app
  if (inner === undefined || inner === app) return undefined
  const chains = []
  chainsTo(route, stackOf(inner), [], chains)
  if (chains.length === 0) return undefined
  let text = either(chains)
  for (let depth = 0; depth < MAX_DEPTH && inner.parent !== undefined; depth++) {
    text = pathText(inner.mountpath) + text
    inner = inner.parent
  }
  return text
}

/**
 * The template of a router that a function calls, so that no layer leads to it. It is built from the layers that match the longest part of the
 * path. The rest of the base has no name.
 */
function opaqueTemplate (app, baseUrl, path) {
  const wanted = baseUrl === '' ? path : baseUrl
  let best = { text: '', left: wanted }
  const walk = (stack, text, remaining, depth) => {
    for (const layer of stack ?? []) {
      if (layer.route !== undefined) continue
      const matched = layerMatch(layer, remaining)
      if (matched === undefined) continue
      const left = remaining.slice(matched.length)
      if (left !== '' && left[0] !== '/') continue
      const longer = text + (layerTemplate(layer, matched) ?? UNKNOWN)
      if (left.length < best.left.length) best = { text: longer, left }
      if (depth < MAX_DEPTH) walk(stackOf(layer.handle), longer, left === '' ? '/' : left, depth + 1)
    }
  }
  if (app !== undefined) walk(stackOf(app), '', wanted, 0)
  // Without baseUrl, the rest is the route's own part, or unknown.
  return baseUrl === '' || best.left === '' ? best.text : best.text + UNKNOWN
}

function chainsTo (route, stack, above, found) {
  if (stack === undefined || above.length >= MAX_DEPTH) return
  for (const layer of stack) {
    if (found.length >= MAX_CHAINS) return
    if (layer.route === route) found.push([...above, layer])
    else if (layer.route === undefined) chainsTo(route, stackOf(layer.handle), [...above, layer], found)
  }
}

/** The layers of a router, or of an app that is used as a router. */
function stackOf (handle) {
  if (typeof handle !== 'function') return undefined
  if (Array.isArray(handle.stack)) return handle.stack
  if (typeof handle.handle !== 'function' || typeof handle.set !== 'function') return undefined
  // Express 4 has its router in `_router`, and its `router` throws.
  return (typeof handle.lazyrouter === 'function' ? handle._router : handle.router)?.stack
}

function pathname (url) {
  const end = url.search(/[?#]/)
  const path = end === -1 ? url : url.slice(0, end)
  if (path.startsWith('/')) return path
  // The URL has the absolute form, which proxies use.
  const slash = path.indexOf('/', path.indexOf('://') + 3)
  return slash === -1 ? '/' : path.slice(slash)
}

module.exports = { routeName, unmatchedName }
