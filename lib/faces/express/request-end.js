'use strict'

// Settles the context of each request at its end: when its response has been sent, or when its connection has closed before that.
//
// The usual way is a listener on each response. But Express gives each request and each response a hidden class of its own, so every property that
// is read or written misses the inline caches. On Node 20 and 22 such a listener costs 2 % of a small request. So this file listens once per
// connection, and to the channel on which Node publishes that a response has been sent. Requests without a connection of Node's have a listener.
//
// A context is an object with `isOf(req)`, `isOver()` and `settle()`.

const diagnosticsChannel = require('node:diagnostics_channel')
const { Socket } = require('node:net')

const { foreignRuntime } = require('../../base/foreign-runtime.js')

/** In a socket: its Connection. */
const CONNECTION = Symbol('offheap connection')

/** In a listener of this file: the context that it settles. */
const CONTEXT = Symbol('offheap request context')

// The most contexts that one connection has in progress. Pipelined requests are few. More of them show that Node publishes other objects than
// the middleware gets, as when a Proxy stands for each request; these contexts are settled when the connection closes.
const MAX_IN_PROGRESS = 100

/** The contexts of the requests that one connection has in progress: without pipelining at most one. */
class Connection {
  #first
  #others = []

  find (req) {
    const first = this.#first
    if (first === undefined || first.isOf(req)) return first
    return this.#others.length === 0 ? undefined : this.#others.find((context) => context.isOf(req))
  }

  add (context) {
    if (this.#first !== undefined) this.#settleWhatIsOver()
    if (this.#first === undefined) this.#first = context
    else this.#others.push(context)
    return context
  }

  /** A response that was sent before the middleware saw the request is not published any more. */
  #settleWhatIsOver () {
    const contexts = [this.#first, ...this.#others]
    const inProgress = contexts.filter((context) => !context.isOver())
    this.#first = inProgress.shift()
    this.#others = inProgress
    for (const context of contexts) if (context.isOver()) end(context)
  }

  settle (req) {
    const context = this.find(req)
    if (context === undefined) return
    if (context === this.#first) this.#first = this.#others.shift()
    else this.#others.splice(this.#others.indexOf(context), 1)
    end(context)
  }

  /** The next request needs a listener. */
  get isFull () {
    return this.#others.length >= MAX_IN_PROGRESS
  }

  close () {
    const contexts = [this.#first, ...this.#others.splice(0)]
    this.#first = undefined
    for (const context of contexts) if (context !== undefined) end(context)
  }
}

/** Called by Node, where an error would be an uncaught exception of the host. */
function end (context) {
  try {
    context.settle()
  } catch {
    // The request was not counted.
  }
}

/**
 * The context of this request: the one that it has, or the one that `create` makes. Throws when neither the request nor the response is one of
 * Node's.
 * @template {{ isOf(req: object): boolean, isOver(): boolean, settle(): void }} Context
 * @param {object} req
 * @param {object} res
 * @param {(req: object) => Context} create
 * @returns {Context}
 */
function contextOf (req, res, create) {
  const { socket } = req
  const connection = socket?.[CONNECTION] ?? begin(socket)
  if (connection === undefined || connection.isFull) return connection?.find(req) ?? contextOfListener(res) ?? listen(res, create(req))
  return connection.find(req) ?? connection.add(create(req))
}

let isSubscribed

/** Notices the requests of this connection from now on, if it is one of Node's HTTP/1. */
function begin (socket) {
  if (!(socket instanceof Socket) || !socket.parser || !subscribe()) return undefined
  const connection = new Connection()
  onClose(socket, () => connection.close())
  socket[CONNECTION] = connection
  return connection
}

function subscribe () {
  if (isSubscribed === undefined) {
    isSubscribed = foreignRuntime('the channel of sent responses') === undefined
    if (isSubscribed) diagnosticsChannel.subscribe('http.server.response.finish', sent)
  }
  return isSubscribed
}

/** What a subscriber throws becomes an uncaught exception. Anybody may publish anything here. */
function sent (message) {
  try {
    const { request, socket } = message
    socket?.[CONNECTION]?.settle(request)
  } catch {
    // The request was not counted.
  }
}

function listen (res, context) {
  const listener = () => end(context)
  listener[CONTEXT] = context
  onClose(res, listener)
  return context
}

function contextOfListener (res) {
  return res.listeners('close').find((listener) => listener[CONTEXT] !== undefined)?.[CONTEXT]
}

function onClose (emitter, listener) {
  // Node warns of a leak after ten listeners. This listener must not be one of the application's ten.
  const limit = emitter.getMaxListeners()
  if (limit > 0 && limit !== Infinity) emitter.setMaxListeners(limit + 1)
  emitter.on('close', listener)
}

module.exports = { contextOf }
