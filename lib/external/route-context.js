'use strict'

// Which route is being served: whatever is tracked meanwhile, in any function it awaits, is counted under it too.

const { AsyncLocalStorage } = require('node:async_hooks')

const binding = require('../base/load.js')
const { func, invalidType, string } = require('../base/validate.js')

const MAX_LENGTH = 256

// The key of all routes that came after the native limit.
const FOLDED = 1

// Records counted before the route was known, per context. A request that tracks more than this before it is routed leaves
// the rest under "(no route)".
const MAX_DEFERRED = 4096

// Names that requests are counted under; the rest is counted together.
const MAX_COUNTED = 1000
const OTHER = '(other)'
const NO_ROUTE = '(no route)'

// Made with the first context: a service without one pays nothing in track().
let storage

const keys = new Map()

class RouteContext {
  #route
  #name
  #key = 0
  #settled = false
  // Of the route not known yet; null when it is too late for it.
  #deferred

  constructor (route) {
    this.#route = route
  }

  run (fn, ...args) {
    func('fn', fn)
    storage ??= new AsyncLocalStorage()
    return args.length === 0 ? storage.run(this, fn) : storage.run(this, fn, ...args)
  }

  /**
   * The route is what it is now, for good. The function that tells it is released: whatever was begun inside and lives
   * on, such as a pooled connection, keeps this context, and would keep the request with it.
   */
  settle () {
    if (this.#settled) return
    this.#settled = true
    // The native side hears of a route when there is something to count under it.
    if (this.#deferred !== undefined && this.#deferred !== null) this.key()
    this.#route = this.#current()
    this.#deferred = null
    countRequest(this.#route === undefined ? NO_ROUTE : cut(this.#route))
  }

  /** The number of the route; 0 as long as it is not known. It may change: a request may pass several routes. */
  key () {
    const name = this.#current()
    if (name === undefined) return this.#key
    if (name !== this.#name) {
      this.#key = routeKey(name)
      this.#name = name
    }
    const deferred = this.#deferred
    if (deferred !== undefined && deferred !== null) {
      this.#deferred = undefined
      for (const { id, change } of deferred) change(id, this.#key)
    }
    return this.#key
  }

  /**
   * Notes a record that was counted while the route was not known yet, and how it is put under it.
   * @param {number | undefined} id
   * @param {(id: number, route: number) => void} [change]
   */
  defer (id, change = changeRecordRoute) {
    if (id === undefined || this.#deferred === null) return
    this.#deferred ??= []
    if (this.#deferred.length < MAX_DEFERRED) this.#deferred.push({ id, change })
  }

  #current () {
    if (typeof this.#route !== 'function') return this.#route
    let name
    try {
      name = this.#route()
    } catch {
      // The function is the host's, and the request it serves is not to fail because of us.
      return undefined
    }
    return typeof name === 'string' && name !== '' ? name : undefined
  }
}

/** One more that is over. An application has as many routes as it has; an array path or a host of generated routers may make many more. */
function countRequest (name) {
  const { requestCounts } = binding.threadState
  const counted = requestCounts.has(name) || requestCounts.size < MAX_COUNTED ? name : OTHER
  requestCounts.set(counted, (requestCounts.get(counted) ?? 0) + 1)
}

/** How many are over, by route. */
function requestCounts () {
  return Object.fromEntries(binding.threadState.requestCounts)
}

function changeRecordRoute (id, route) {
  binding.changeRecord(id, -1, -1, route)
}

function cut (name) {
  return name.length > MAX_LENGTH ? `${name.slice(0, MAX_LENGTH - 1)}…` : name
}

function routeKey (name) {
  const known = keys.get(name)
  if (known !== undefined) return known
  const key = binding.routeKey(cut(name))
  if (key !== FOLDED) keys.set(name, key)
  return key
}

function createRouteContext (route) {
  if (typeof route === 'string') string('route', route, { maxLength: MAX_LENGTH })
  else if (typeof route !== 'function') throw invalidType('route', 'a string or a function', route)
  return new RouteContext(route)
}

/** The context that the running code was started in, if any. */
function enclosingRoute () {
  return storage === undefined ? undefined : storage.getStore()
}

module.exports = { createRouteContext, enclosingRoute, requestCounts }
