'use strict'

// Lets what is tracked during a request find its route, and counts the request under its route at its end.

const { RouteContext, carryContexts, contextsAreEntered, currentContext, requestCarriesContext } = require('../../external/route-context.js')
const { contextOf } = require('./request-end.js')
const { routeName, unmatchedName } = require('./route-name.js')
const { warn: emitWarning } = require('../../base/warn.js')

const OTHER = '(other)'

class RequestContext extends RouteContext {
  #req
  #app
  #route
  #name
  #isCarried

  /** @param {boolean} isCarried whether code that is called in this request can find this context */
  constructor (req, isCarried) {
    super()
    this.#req = req
    this.#app = req.app
    this.#isCarried = isCarried
  }

  get isCarried () {
    return this.#isCarried
  }

  isOf (req) {
    return this.#req === req
  }

  /** Whether the response has been sent, as far as Express tells. */
  isOver () {
    return this.#req === undefined || this.#req.res?.writableFinished === true
  }

  // Called by every track(). A request may pass several routes, and the last one counts.
  currentName () {
    const req = this.#req
    if (req === undefined) return this.#name
    try {
      const { route } = req
      if (route !== this.#route) {
        this.#name = routeName(req, outermostApp(this.#app))
        this.#route = route
      }
    } catch {
      // The request is not one of Node's, or the router is of an unknown kind.
    }
    return this.#name
  }

  /** Releases the request, so that a pooled connection does not retain it. */
  finalName () {
    const name = this.currentName() ?? finalName(this.#req, this.#app)
    this.#req = this.#app = this.#route = undefined
    return (this.#name = name)
  }
}

/**
 * Calls `next` in the context of the request, if the request carries one. What fails here leaves the request as it is.
 * @param {object} req
 * @param {object} res
 * @param {() => void} next
 */
function enterRequest (req, res, next) {
  enter(req, res, next, createContext)
}

/** The same; every request carries a context, whether routes are looked up or not. */
function enterRequestAlways (req, res, next) {
  enter(req, res, next, createCarriedContext)
}

function enter (req, res, next, create) {
  let context
  try {
    context = contextOf(req, res, create)
  } catch {
    // The request or the response is not one of Node's.
  }
  // A second middleware enters the same context again when it was lost on the way.
  if (context === undefined || !context.isCarried || !contextsAreEntered() || context === currentContext()) next()
  else context.run(next)
}

function createContext (req) {
  return new RequestContext(req, requestCarriesContext())
}

function createCarriedContext (req) {
  carryContexts()
  return new RequestContext(req, true)
}

function finalName (req, app) {
  try {
    if (app === undefined) warnOfNoApp()
    const outermost = outermostApp(app)
    return routeName(req, outermost) ?? unmatchedName(req, outermost)
  } catch {
    return OTHER
  }
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

module.exports = { enterRequest, enterRequestAlways }
