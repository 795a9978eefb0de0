'use strict'

// Knows which route is being served. What is tracked in that time, in any function that is awaited, also counts under the route.

const { AsyncLocalStorage } = require('node:async_hooks')

const binding = require('../base/load.js')
const { func, invalidType, string } = require('../base/validate.js')

const MAX_LENGTH = 256

// The key of all routes after the native limit.
const FOLDED = 1

// The most records that a context keeps until its route is known. When a request tracks more values before that, the others stay under
// "(no route)".
const MAX_DEFERRED = 4096

// The most routes that request counts keep apart. Other routes count together.
const MAX_COUNTED = 1000
const OTHER = '(other)'
const NO_ROUTE = '(no route)'

// Created with the first context: a service without contexts pays nothing in track().
let storage

// track(), allocExternal() and samples of Buffers look up the route that is served. A service that uses none of them needs no contexts, and Node's
// AsyncLocalStorage costs more than the rest of the middleware. So the first requests carry a context, and the first value of a new service
// has its route. When this many requests have begun without a look-up, the next ones carry none. From the first look-up on, every request carries a
// context again, for good.
const REQUESTS_WITHOUT_LOOKUP = 1_000
let requestsWithoutLookup = 0
let isLookedUp = false
// No context is entered from then on: in Node before 24, a storage that is in use costs each promise and each socket operation of the process.
let isSuspended = false

const keys = new Map()

/**
 * A route and what runs in it. A subclass knows the name:
 * - `currentName()` is the route's name; undefined while it is not known.
 * - `finalName()` fixes the name, and releases what it was found with.
 */
class RouteContext {
  #name
  #key = 0
  #settled = false
  // Records that wait for the route; null when the context is settled.
  #deferred

  run (fn, ...args) {
    func('fn', fn)
    storage ??= new AsyncLocalStorage()
    return args.length === 0 ? storage.run(this, fn) : storage.run(this, fn, ...args)
  }

  /**
   * Fixes the route. Releases the host's function: work that began inside and continues, such as a pooled connection, retains this context,
   * and through the function it would retain the request.
   */
  settle () {
    if (this.#settled) return
    this.#settled = true
    const name = this.finalName()
    // The native side gets a number for the route only when a record needs it.
    if (this.#deferred !== undefined && this.#deferred !== null) this.key()
    this.#deferred = null
    countRequest(name ?? NO_ROUTE)
  }

  /** The number of the route; 0 while the route is not known. It may change, because a request may pass several routes. */
  key () {
    const name = this.currentName()
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
   * Keeps a record that was counted before the route was known, together with the function that moves it under the route.
   * @param {number | undefined} id
   * @param {(id: number, route: number) => void} [change]
   */
  defer (id, change = changeRecordRoute) {
    if (id === undefined || this.#deferred === null) return
    this.#deferred ??= []
    if (this.#deferred.length < MAX_DEFERRED) this.#deferred.push({ id, change })
  }
}

/** A context that has a name, or the host's function that knows it. */
class NamedContext extends RouteContext {
  #route

  constructor (route) {
    super()
    this.#route = route
  }

  run (fn, ...args) {
    // An application that makes a context itself looks up routes.
    isLookedUp = true
    return super.run(fn, ...args)
  }

  currentName () {
    if (typeof this.#route !== 'function') return this.#route
    let name
    try {
      name = this.#route()
    } catch {
      // The function is the host's. Its error must not make the request fail.
      return undefined
    }
    // An async function by mistake: nobody else would handle its rejection, which ends the host.
    if (typeof name?.then === 'function') Promise.resolve(name).catch(() => {})
    return typeof name === 'string' && name !== '' ? name : undefined
  }

  finalName () {
    return (this.#route = this.currentName())
  }
}

/** Whether the request that begins now has to carry a context. */
function requestCarriesContext () {
  if (isLookedUp) return true
  if (isSuspended) return false
  if (++requestsWithoutLookup <= REQUESTS_WITHOUT_LOOKUP) return true
  isSuspended = true
  storage?.disable()
  return false
}

/** Whether a request that carries a context has to enter it. */
function contextsAreEntered () {
  return isLookedUp || !isSuspended
}

/** As if a route had been looked up: every request carries a context from now on. */
function carryContexts () {
  isLookedUp = true
}

/**
 * Counts one settled context. The number of names is limited, because array paths and generated routers may produce very many.
 * @param {string} route
 */
function countRequest (route) {
  const { requestCounts } = binding.threadState
  const name = cut(route)
  const known = requestCounts.get(name) ?? (requestCounts.size < MAX_COUNTED ? undefined : requestCounts.get(OTHER))
  if (known !== undefined) known.count++
  else requestCounts.set(requestCounts.size < MAX_COUNTED ? name : OTHER, { count: 1 })
}

/** The number of settled contexts, by route. */
function requestCounts () {
  return Object.fromEntries(Array.from(binding.threadState.requestCounts, ([name, { count }]) => [name, count]))
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
  return new NamedContext(route)
}

/** Looks up the context in which the running code was started; undefined without one. From this look-up on, every request carries a context. */
function enclosingRoute () {
  isLookedUp = true
  return currentContext()
}

/** The same for the middleware, which enters contexts: it is no look-up. */
function currentContext () {
  return storage === undefined ? undefined : storage.getStore()
}

module.exports = { RouteContext, carryContexts, contextsAreEntered, createRouteContext, currentContext, enclosingRoute, requestCarriesContext, requestCounts }
