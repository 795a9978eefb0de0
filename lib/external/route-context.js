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

const keys = new Map()

class RouteContext {
  #route
  #name
  #key = 0
  #settled = false
  // Records that wait for the route; null when the context is settled.
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
   * Fixes the route. Releases the host's function: work that began inside and continues, such as a pooled connection, retains this context,
   * and through the function it would retain the request.
   */
  settle () {
    if (this.#settled) return
    this.#settled = true
    // The native side gets a number for the route only when a record needs it.
    if (this.#deferred !== undefined && this.#deferred !== null) this.key()
    this.#route = this.#current()
    this.#deferred = null
    countRequest(this.#route === undefined ? NO_ROUTE : cut(this.#route))
  }

  /** The number of the route; 0 while the route is not known. It may change, because a request may pass several routes. */
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
   * Keeps a record that was counted before the route was known, together with the function that moves it under the route.
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
      // The function is the host's. Its error must not make the request fail.
      return undefined
    }
    // An async function by mistake: nobody else would handle its rejection, which ends the host.
    if (typeof name?.then === 'function') Promise.resolve(name).catch(() => {})
    return typeof name === 'string' && name !== '' ? name : undefined
  }
}

/** Counts one settled context. The number of names is limited, because array paths and generated routers may produce very many. */
function countRequest (name) {
  const { requestCounts } = binding.threadState
  const counted = requestCounts.has(name) || requestCounts.size < MAX_COUNTED ? name : OTHER
  requestCounts.set(counted, (requestCounts.get(counted) ?? 0) + 1)
}

/** The number of settled contexts, by route. */
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

/** The context in which the running code was started; undefined without one. */
function enclosingRoute () {
  return storage === undefined ? undefined : storage.getStore()
}

module.exports = { createRouteContext, enclosingRoute, requestCounts }
