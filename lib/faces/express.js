'use strict'

// offheap/express: serves a reading as JSON, and counts every other request under the name of its route.
// When something fails here, the request continues as it would without this middleware.

const { reading } = require('../../index.js')
const { enterRequest, enterRequestAlways } = require('./express/request.js')
const { messageOf } = require('../base/errors.js')
const { warn: emitWarning } = require('../base/warn.js')
const { boolean, func, invalidValue, options: checkOptions, string } = require('../base/validate.js')

/**
 * @param {import('../express.js').ExpressOptions} [options]
 * @returns {import('../express.js').Middleware}
 */
function offheapExpress (options) {
  const { path, authorize, routes = true } = checkOptions('options', options, ['path', 'authorize', 'routes'])
  if (path !== undefined) {
    checkPath(path)
    // Now, and not in the first request that reads it.
    require('../overview/reading.js')
  }
  if (authorize !== undefined) func('options.authorize', authorize)
  if (routes !== 'always') boolean('options.routes', routes)
  const enter = routes === false ? passOn : routes === 'always' ? enterRequestAlways : enterRequest

  let warned = false
  const warn = (error) => {
    if (warned) return
    warned = true
    emitWarning(`offheap/express did not serve ${path}: ${messageOf(error)}`)
  }

  return function offheap (req, res, next) {
    if (path === undefined || !isReading(req, path)) {
      enter(req, res, next)
      return
    }
    const serve = (allowed) => {
      // The response was sent already, or the client has gone.
      if (res.headersSent || res.writableEnded || res.destroyed) return
      if (allowed === true && answer(req, res, warn)) return
      enter(req, res, next)
    }
    if (authorize === undefined) serve(true)
    else ask(authorize, req, warn).then(serve)
  }
}

function passOn (req, res, next) {
  next()
}

function checkPath (path) {
  string('options.path', path)
  if (!path.startsWith('/') || /[?#]/.test(path)) throw invalidValue('options.path', 'a path that starts with "/", without query', path)
}

/** Whether the request is for exactly this path. Express has removed the mount path of the middleware from the URL. */
function isReading (req, path) {
  const { url } = req
  if (typeof url !== 'string' || !url.startsWith(path) || (url.length !== path.length && url[path.length] !== '?')) return false
  const { method } = req
  return method === 'GET' || method === 'HEAD'
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

/** JSON has no BigInt. A figure that becomes a BigInt in a later version must not break the page. */
function toJson (value) {
  return JSON.stringify(value, (key, item) => typeof item === 'bigint' ? Number(item) : item)
}

module.exports = offheapExpress
