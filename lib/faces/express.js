'use strict'

// offheap/express: serves a reading as JSON, and counts every other request under the name of its route.
// When something fails here, the request continues as it would without this middleware.

const { createRouteContext, reading } = require('../../index.js')
const { routeName, unmatchedName } = require('./express/route-name.js')
const { messageOf } = require('../base/errors.js')
const { warn: emitWarning } = require('../base/warn.js')
const { boolean, func, invalidValue, options: checkOptions, string } = require('../base/validate.js')

const OTHER = '(other)'

/** Where a request carries its RequestRoute, so that a second middleware finds it. */
const REQUEST_ROUTE = Symbol('offheap request route')

class RequestRoute {
  #req
  #app
  #route
  #name
  #context

  constructor (req) {
    this.#req = req
    this.#app = outermostApp(req.app)
    if (this.#app === undefined) warnOfNoApp()
    this.#context = createRouteContext(() => this.#current())
  }

  run (next) {
    this.#context.run(next)
  }

  /** Called when the response has ended. Fixes the name, and releases the request, so that a pooled connection does not retain it. */
  end () {
    const req = this.#req
    if (req === undefined) return
    let name
    try {
      name = this.#current() ?? unmatchedName(req, this.#app)
    } catch {
      name = OTHER
    }
    this.#name = name
    this.#req = this.#app = this.#route = undefined
    this.#context.settle()
  }

  // Called by every track(). A request may pass several routes, and the last one counts.
  #current () {
    const req = this.#req
    if (req === undefined) return this.#name
    if (req.route !== this.#route) {
      this.#name = routeName(req, this.#app)
      this.#route = req.route
    }
    return this.#name
  }
}

/**
 * @param {import('../express.js').ExpressOptions} [options]
 * @returns {import('../express.js').Middleware}
 */
function offheapExpress (options) {
  const { path, authorize, routes = true } = checkOptions('options', options, ['path', 'authorize', 'routes'])
  if (path !== undefined) checkPath(path)
  if (authorize !== undefined) func('options.authorize', authorize)
  boolean('options.routes', routes)

  let warned = false
  const warn = (error) => {
    if (warned) return
    warned = true
    emitWarning(`offheap/express did not serve ${path}: ${messageOf(error)}`)
  }

  return function offheap (req, res, next) {
    if (path === undefined || !isReading(req, path)) {
      if (routes) enter(req, res, next)
      else next()
      return
    }
    const serve = (allowed) => {
      // The response was sent already, or the client has gone.
      if (res.headersSent || res.writableEnded || res.destroyed) return
      if (allowed === true && answer(req, res, warn)) return
      if (routes) enter(req, res, next)
      else next()
    }
    if (authorize === undefined) serve(true)
    else ask(authorize, req, warn).then(serve)
  }
}

function checkPath (path) {
  string('options.path', path)
  if (!path.startsWith('/') || /[?#]/.test(path)) throw invalidValue('options.path', 'a path that starts with "/", without query', path)
}

/** Whether the request is for exactly this path. Express has removed the mount path of the middleware from the URL. */
function isReading (req, path) {
  const { url, method } = req
  return (method === 'GET' || method === 'HEAD') && typeof url === 'string' && url.startsWith(path) &&
    (url.length === path.length || url[path.length] === '?')
}

/** Asks `authorize`. A failure is a refusal. The request then continues, and finds no such route. */
async function ask (authorize, req, warn) {
  try {
    return await authorize(req)
  } catch (error) {
    warn(error)
    return false
  }
}

/** @returns {boolean} false when nothing was sent */
function answer (req, res, warn) {
  try {
    const body = toJson(reading())
    res.statusCode = 200
    res.setHeader('Content-Type', 'application/json; charset=utf-8')
    res.setHeader('Content-Length', Buffer.byteLength(body))
    res.setHeader('Cache-Control', 'no-store')
    res.setHeader('X-Content-Type-Options', 'nosniff')
    res.end(req.method === 'HEAD' ? undefined : body)
    return true
  } catch (error) {
    warn(error)
    return res.headersSent
  }
}

function enter (req, res, next) {
  let route
  try {
    // A second middleware enters the same context again, because the first context may have been lost on the way.
    route = req[REQUEST_ROUTE] ?? begin(req, res)
  } catch {
    // The request or the response is not one of Node's.
  }
  if (route === undefined) next()
  else route.run(next)
}

function begin (req, res) {
  const route = new RequestRoute(req)
  // Node warns of a leak after ten listeners. This listener must not be one of the application's ten.
  const limit = res.getMaxListeners()
  if (limit > 0 && limit !== Infinity) res.setMaxListeners(limit + 1)
  res.on('close', () => route.end())
  req[REQUEST_ROUTE] = route
  return route
}

let warnedOfNoApp = false

function warnOfNoApp () {
  if (warnedOfNoApp) return
  warnedOfNoApp = true
  emitWarning('offheap/express: requests have no Express application (req.app), as with Fastify and @fastify/middie, Koa and koa-connect, or ' +
    'plain http. Requests are served and counted, all of them under the route "(no route)". Use createRouteContext() to name routes')
}

function outermostApp (app) {
  let outermost = app
  for (let depth = 0; depth < 16 && outermost?.parent !== undefined; depth++) outermost = outermost.parent
  return outermost
}

/** JSON has no BigInt. A figure that becomes a BigInt in a later version must not break the page. */
function toJson (value) {
  return JSON.stringify(value, (key, item) => typeof item === 'bigint' ? Number(item) : item)
}

module.exports = offheapExpress
