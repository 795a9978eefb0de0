'use strict'

// Every object of this isolate, realm by realm. Garbage is collected first, so what is found is alive.
//
// The way there is the inspector's Runtime.queryObjects, in a session of our own beside any debugger's. It looks in one
// realm at a time (the main one, each vm context) for objects that inherit from a given one; here that is
// Object.prototype, which is above everything, at the price of one collection and of a list of all objects.
//
// Where the inspector is refused (--permission without --allow-inspector), v8.queryObjects looks in the main realm, and in
// a child of the probe it can be made to hand over what it found.

const v8 = require('node:v8')
const { OffheapError } = require('../errors.js')

const TAKER = 'offheapTakesOver'

/**
 * In the realm of an object: makes an error that carries it and asks for the error's stack. Node then calls
 * `Error.prepareStackTrace` of the main realm, and that is how a value gets from one realm to another: the protocol itself
 * hands out descriptions only. A prepareStackTrace of the realm's own would come first, so it is set aside meanwhile.
 */
const HAND_OVER = `function () {
  const { Error } = globalThis
  const names = ['prepareStackTrace', 'stackTraceLimit']
  const before = names.map((name) => Object.getOwnPropertyDescriptor(Error, name))
  if (before[0] !== undefined && before[0].value?.name !== '${TAKER}') Error.prepareStackTrace = undefined
  Error.stackTraceLimit = 1
  const error = new Error()
  error.offheap = this
  void error.stack
  names.forEach((name, index) => {
    if (before[index] === undefined) delete Error[name]
    else Object.defineProperty(Error, name, before[index])
  })
}`

/**
 * Calls `visit(objects, realm)` for each list of objects there is; an object may be in two of them. A list holds every
 * object of a realm, so `visit` must not keep it.
 * @param {{ inChild: boolean }} where whether this process is a child of the probe, whose builtins may be spoilt
 * @param {(objects: object[], realm: { Memory?: Function }) => void} visit
 * @returns {{ count: number, unseenCount: number, method: 'inspector' | 'query-objects' }} realms
 */
function visitObjects ({ inChild }, visit) {
  const session = connectedSession()
  if (session !== undefined) {
    try {
      return visitWithInspector(session, visit)
    } finally {
      // Releases all that the session refers to.
      session.disconnect()
    }
  }
  if (inChild && typeof v8.queryObjects === 'function') return visitWithQueryObjects(visit)
  throw new OffheapError('ERR_OFFHEAP_UNSUPPORTED_PLATFORM',
    'This Node was started or built without access to the inspector, which a census here needs; with --permission, add --allow-inspector')
}

/** A session of our own; undefined where there is no inspector, or no permission to use it. */
function connectedSession () {
  try {
    const { Session } = require('node:inspector')
    const session = new Session()
    session.connect()
    return session
  } catch {
    return undefined
  }
}

function visitWithInspector (session, visit) {
  const main = mainRealm()
  // First the main realm: the collection that comes with it also takes away the realms that are garbage. The inspector
  // of Node 22 crashes (seen) when one of those is touched.
  visitRealm(session, main, undefined, visit)
  const others = contexts(session).filter(({ auxData }) => auxData?.isDefault !== true)
  let unseenCount = 0
  for (const { id } of others) {
    try {
      visitRealm(session, main, id, visit)
    } catch (error) {
      // A realm that lacks what it takes: Error deleted, or frozen with a prepareStackTrace of its own.
      if (!(error instanceof NotAnswered)) throw error
      unseenCount++
    }
  }
  return { count: 1 + others.length, unseenCount, method: 'inspector' }
}

/** The realms of this isolate; the inspector announces each when it is asked to. */
function contexts (session) {
  const found = []
  const onContext = ({ params }) => found.push(params.context)
  session.on('Runtime.executionContextCreated', onContext)
  post(session, 'Runtime.enable')
  session.off('Runtime.executionContextCreated', onContext)
  post(session, 'Runtime.disable')
  return found
}

function visitRealm (session, main, contextId, visit) {
  const { objectId } = value(post(session, 'Runtime.evaluate', {
    contextId,
    expression: '({ Memory: typeof WebAssembly === "object" ? WebAssembly.Memory : undefined })'
  }))
  const realm = take(session, main, objectId)
  realm.roots = [Object.getPrototypeOf(realm)]
  // What a class of this realm makes belongs to it, also when the class extends one of the main realm, as in jest.
  if (realm.roots[0] !== main.objectPrototype) realm.roots.push(main.objectPrototype)
  for (let index = 0; index < realm.roots.length; index++) {
    const root = value(post(session, 'Runtime.callFunctionOn', { objectId, functionDeclaration: `function () { return this.roots[${index}] }` }))
    const { objects } = post(session, 'Runtime.queryObjects', { prototypeObjectId: root.objectId })
    visit(take(session, main, objects.objectId), realm)
    post(session, 'Runtime.releaseObject', { objectId: objects.objectId })
  }
}

/** The object itself that the inspector knows by this id. */
function take (session, main, objectId) {
  const before = Object.getOwnPropertyDescriptor(main.Error, 'prepareStackTrace')
  let taken
  const taker = (error) => {
    taken = error.offheap
    return ''
  }
  Object.defineProperty(taker, 'name', { value: TAKER })
  try {
    Object.defineProperty(main.Error, 'prepareStackTrace', { value: taker, configurable: true, writable: true })
    value(post(session, 'Runtime.callFunctionOn', { objectId, functionDeclaration: HAND_OVER, silent: true }))
  } catch (error) {
    throw error instanceof NotAnswered ? error : new NotAnswered(error.message)
  } finally {
    if (before === undefined) delete main.Error.prepareStackTrace
    else Object.defineProperty(main.Error, 'prepareStackTrace', before)
  }
  if (taken === undefined) throw new NotAnswered('nothing was handed over')
  return taken
}

class NotAnswered extends Error {}

/** One command of the protocol, which a session on its own thread answers at once. */
function post (session, method, params) {
  let answer
  let failure
  session.post(method, params, (error, result) => {
    failure = error
    answer = result
  })
  if (answer === undefined || failure) throw new NotAnswered(`${method}: ${failure?.message ?? 'no answer'}`)
  return answer
}

/** The result of an evaluation, unless it threw. */
function value ({ result, exceptionDetails }) {
  if (exceptionDetails !== undefined) throw new NotAnswered(exceptionDetails.exception?.description ?? exceptionDetails.text)
  return result
}

/** Objects of Node's own realm, which is another than this file's where jest loaded it. */
function mainRealm () {
  const objectPrototype = Object.getPrototypeOf(v8)
  let error
  try {
    v8.setFlagsFromString(0)
  } catch (caught) {
    error = caught
  }
  // Up to Error.prototype: the one whose prototype is that of plain objects.
  while (Object.getPrototypeOf(error) !== objectPrototype) error = Object.getPrototypeOf(error)
  return { objectPrototype, Error: error.constructor, arrayPrototype: Object.getPrototypeOf(v8.getHeapSpaceStatistics()) }
}

/** Enough to tell the list of all objects from the small arrays that Node itself may make on the way. */
const LEAST_OBJECTS = 500

/**
 * v8.queryObjects makes the list and returns a text for each; the list is what `map` asks for its constructor. In a child
 * only: this makes `map` and its like slower for good, and reads no object's properties.
 */
function visitWithQueryObjects (visit) {
  const { objectPrototype, arrayPrototype } = mainRealm()
  const before = Object.getOwnPropertyDescriptor(arrayPrototype, 'constructor')
  const everything = function () {}
  everything.prototype = objectPrototype
  const enough = new Error('taken')
  let list
  Object.defineProperty(arrayPrototype, 'constructor', {
    configurable: true,
    get () {
      if (this.length < LEAST_OBJECTS) return before.value
      list = this
      throw enough
    }
  })
  try {
    v8.queryObjects(everything, { format: 'summary' })
  } catch (error) {
    if (error !== enough) throw error
  } finally {
    Object.defineProperty(arrayPrototype, 'constructor', before)
  }
  visit(list, { Memory: globalThis.WebAssembly?.Memory })
  return { count: 1, unseenCount: v8.getHeapStatistics().number_of_native_contexts - 1, method: 'query-objects' }
}

module.exports = { visitObjects }
