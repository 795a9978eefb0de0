'use strict'

// Finds every object of this isolate, realm by realm. V8 collects garbage first, so all found objects are alive.
//
// It uses the inspector's Runtime.queryObjects, in a session of its own; a debugger keeps its session. A query finds the objects of one realm (the
// main realm, or a vm context) that inherit from a given object. Here this is Object.prototype, from which almost all objects inherit. Each query
// costs one garbage collection, and a list of all objects.
//
// Without permission for the inspector (--permission without --allow-inspector), v8.queryObjects finds the objects of the main realm. In a child of
// the probe, a trick makes it hand over the list of these objects.

const { EventEmitter } = require('node:events')
const v8 = require('node:v8')
const { OffheapError } = require('../../base/errors.js')

const TAKER = 'offheapTakesOver'
const MARK = Symbol.for('offheap.realm')

/** The most looks for another realm; each query is one look of the budget. See visitRealm(). */
const LOOKS_PER_REALM = 2
/** Looks before other realms: the query that finds nothing, and that of the main realm. After these, the duration of a look is known. */
const LOOKS_BEFORE_OTHERS = 2

/** The prototypes directly below Object.prototype of the objects that a census needs: views, ArrayBuffers, streams, WebAssembly memories. */
const BASES = [
  Object.getPrototypeOf(Int8Array.prototype), DataView.prototype, ArrayBuffer.prototype, SharedArrayBuffer.prototype,
  EventEmitter.prototype, ...(typeof WebAssembly === 'object' ? [WebAssembly.Memory.prototype] : [])
]

/**
 * Hands an object over to the main realm. It runs in the object's realm, makes an error with the object as a property, and reads the error's stack.
 * Node then calls `Error.prepareStackTrace` of the main realm with this error. This is necessary because the protocol itself returns only
 * descriptions of objects. A prepareStackTrace of the object's realm would be called instead, so it is removed during this time.
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
 * Calls `visit(objects, realm)` with each list of objects. An object may be in two lists. A list retains every object of a realm, so `visit` must
 * not keep it.
 * @param {object} where
 * @param {boolean} where.inChild whether this process is a child of the probe, so that builtins may be changed
 * @param {boolean} where.patient whether the caller can try again later when realms are ending
 * @param {import('./budget.js').Budget} where.budget the main realm is always read, the others while there is time
 * @param {number} where.looksAfter the time to keep for later work, in looks
 * @param {(objects: object[], realm: { Memory?: Function }) => void} visit
 * @returns {{ count: number, readCount: number, unreadCount: number, method: 'inspector' | 'query-objects' } | undefined}
 *   realms; there was no time for the unread ones. undefined when the caller should try again in a later event-loop tick
 */
function visitObjects (where, visit) {
  const session = connectedSession()
  if (session !== undefined) {
    try {
      return visitWithInspector(session, where, visit)
    } finally {
      // This releases all objects that the session refers to.
      session.disconnect()
    }
  }
  if (where.inChild && typeof v8.queryObjects === 'function') return visitWithQueryObjects(visit)
  throw new OffheapError('ERR_OFFHEAP_UNSUPPORTED_PLATFORM',
    'A census in this process needs the inspector, and this Node was built or started without it, or the program has frozen `process`; with --permission, add --allow-inspector')
}

/** A new inspector session; undefined without an inspector, or without permission to use it. */
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

function visitWithInspector (session, where, visit) {
  const { patient, budget } = where
  const main = mainRealm()
  const contexts = realmCount() === 1 ? [] : announced(session)
  if (patient && contexts.length > realmCount()) return undefined
  // Contexts by their marks, in a WeakMap. No property of a found object is read: Node 26 crashed in a realm of jest when a property of a Storage
  // object was read (node::webstorage::Storage::Load).
  const marks = new WeakMap()
  const hasTime = budget.affords(LOOKS_BEFORE_OTHERS)
  const marked = hasTime ? markOthers(session, main, contexts, marks) : []
  // V8's compilation cache contains the code that was just evaluated in a realm. On Node 20 and 22 it retains the realm for up to three
  // collections. A query runs two or more.
  if (marked.length > 0) {
    const start = performance.now()
    collect(session)
    budget.looked(performance.now() - start)
  }
  const alive = new Map()
  visitRealm(session, main, undefined, where, (objects, realm) => {
    if (marked.length > 0) for (const object of objects) if (marks.has(object)) alive.set(marks.get(object), object)
    visit(objects, realm)
  })
  // Time is kept for the later work, unless there is already too little time for that work.
  const looksAfter = budget.affords(where.looksAfter) ? where.looksAfter : 0
  let readCount = 1
  for (const contextId of alive.keys()) {
    if (budget.affords(LOOKS_PER_REALM + looksAfter)) {
      visitRealm(session, main, contextId, where, visit)
      readCount++
    }
    evaluate(session, contextId, `delete Error[Symbol.for('${MARK.description}')]`)
  }
  const count = Math.max(readCount, realmCount())
  return { count, readCount, unreadCount: (hasTime ? 1 + alive.size : count) - readCount, method: 'inspector' }
}

/** Collects garbage, by a query that finds nothing. */
function collect (session) {
  const { objectId } = evaluate(session, undefined, '({})')
  post(session, 'Runtime.queryObjects', { prototypeObjectId: objectId })
}

/** How many realms V8 has not collected. */
function realmCount () {
  return v8.getHeapStatistics().number_of_native_contexts
}

/**
 * Leaves a mark in each realm except the main one, and returns the ids of these realms. A mark is an object of the main realm that the other realm
 * retains. A mark that is alive after the next collection shows that its realm is alive. Marking keeps no realm alive.
 *
 * The inspector crashes on a command for a realm that V8 has collected and Node has not yet removed from the inspector's list. Node removes it one
 * event-loop tick later (seen on Node 22, 24 and 26). There is no such realm while the inspector lists as many realms as V8 has.
 */
function markOthers (session, main, contexts, marks) {
  const marked = []
  for (const { id, auxData } of contexts) {
    if (auxData?.isDefault === true) continue
    if (realmCount() !== contexts.length) break
    try {
      mark(session, main, id, marks)
      marked.push(id)
    } catch (error) {
      // This realm cannot be marked: its Error was deleted, or is frozen and has a prepareStackTrace of its own.
      if (!(error instanceof NotAnswered)) throw error
    }
  }
  return marked
}

function mark (session, main, contextId, marks) {
  const { objectId } = evaluate(session, contextId, '({ Error: globalThis.Error })')
  const { Error } = take(session, main, objectId)
  post(session, 'Runtime.releaseObject', { objectId })
  const object = Reflect.construct(main.objectPrototype.constructor, [])
  marks.set(object, contextId)
  // With this property, a found mark retains its realm.
  object.realm = Error
  Object.defineProperty(Error, MARK, { value: object, configurable: true })
}

/** The realms that the inspector lists. It announces each of them after Runtime.enable. */
function announced (session) {
  const contexts = []
  const onContext = ({ params }) => contexts.push(params.context)
  session.on('Runtime.executionContextCreated', onContext)
  post(session, 'Runtime.enable')
  session.off('Runtime.executionContextCreated', onContext)
  post(session, 'Runtime.disable')
  return contexts
}

/** Visits one realm, with one query for each root. A query costs a collection and a pass over the objects of all realms. */
function visitRealm (session, main, contextId, { inChild, budget }, visit) {
  const { objectId } = evaluate(session, contextId, '({ Memory: typeof WebAssembly === "object" ? WebAssembly.Memory : undefined })')
  const realm = take(session, main, objectId)
  realm.roots = [Object.getPrototypeOf(realm)]
  // Objects of a class of this realm belong to this realm, even when the class extends one of the main realm, as in jest.
  const isMain = realm.roots[0] === main.objectPrototype
  const isAttached = !isMain && inChild && attachBelow(realm.roots[0], main)
  if (!isMain && !isAttached) realm.roots.push(main.objectPrototype)
  try {
    for (let index = 0; index < realm.roots.length; index++) {
      const start = performance.now()
      const root = value(post(session, 'Runtime.callFunctionOn', { objectId, functionDeclaration: `function () { return this.roots[${index}] }` }))
      const { objects } = post(session, 'Runtime.queryObjects', { prototypeObjectId: root.objectId })
      visit(take(session, main, objects.objectId), realm)
      post(session, 'Runtime.releaseObject', { objectId: objects.objectId })
      budget.looked(performance.now() - start)
    }
  } finally {
    if (isAttached) attachBelow(main.objectPrototype, main)
  }
}

/**
 * Sets another realm's Object.prototype as the prototype of the main realm's classes that a census needs. One query of that realm then also finds
 * objects of classes that extend them. In a child only, where no other code uses these prototypes.
 * @returns {boolean} false when these classes are not reachable, or frozen
 */
function attachBelow (root, main) {
  // In jest this file runs in a realm of its own.
  if (Object.prototype !== main.objectPrototype) return false
  const done = BASES.every((base) => Reflect.setPrototypeOf(base, root))
  if (!done) for (const base of BASES) Reflect.setPrototypeOf(base, main.objectPrototype)
  return done
}

function evaluate (session, contextId, expression) {
  return value(post(session, 'Runtime.evaluate', { contextId, expression, silent: true }))
}

/** The object that the inspector knows by this id. */
function take (session, main, objectId) {
  const taken = isFrozen(main.Error) ? takeByGlobal(session, main, objectId) : takeByError(session, main, objectId)
  if (taken === undefined) throw new NotAnswered('nothing was handed over')
  return taken
}

function takeByError (session, main, objectId) {
  const before = Object.getOwnPropertyDescriptor(main.Error, 'prepareStackTrace')
  let taken
  const taker = (error) => {
    taken = error.offheap
    return ''
  }
  Object.defineProperty(taker, 'name', { value: TAKER })
  Object.defineProperty(main.Error, 'prepareStackTrace', { value: taker, configurable: true, writable: true })
  try {
    value(post(session, 'Runtime.callFunctionOn', { objectId, functionDeclaration: HAND_OVER, silent: true }))
    return taken
  } finally {
    if (before === undefined) delete main.Error.prepareStackTrace
    else Object.defineProperty(main.Error, 'prepareStackTrace', before)
  }
}

/** With --frozen-intrinsics, no prepareStackTrace can be set. Then only objects of the main realm can be taken, through its global object. */
function takeByGlobal (session, main, objectId) {
  if (main.objectPrototype !== Object.prototype) return undefined
  const key = MARK.description
  try {
    value(post(session, 'Runtime.callFunctionOn', { objectId, functionDeclaration: `function () { globalThis[Symbol.for('${key}')] = this }`, silent: true }))
    return globalThis[MARK]
  } finally {
    delete globalThis[MARK]
  }
}

function isFrozen (Error) {
  const own = Object.getOwnPropertyDescriptor(Error, 'prepareStackTrace')
  return own === undefined ? !Object.isExtensible(Error) : !own.configurable
}

class NotAnswered extends Error {}

/** Sends one command of the protocol. A session on its own thread answers synchronously. */
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

/** The result of an evaluation. Throws when the evaluation threw. */
function value ({ result, exceptionDetails }) {
  if (exceptionDetails !== undefined) throw new NotAnswered(exceptionDetails.exception?.description ?? exceptionDetails.text)
  return result
}

/** Objects of the main realm. When jest loads this file, the file's own realm is another one. */
function mainRealm () {
  const objectPrototype = Object.getPrototypeOf(v8)
  let error
  try {
    v8.setFlagsFromString(0)
  } catch (caught) {
    error = caught
  }
  // Climbs to Error.prototype, whose prototype is Object.prototype.
  while (Object.getPrototypeOf(error) !== objectPrototype) error = Object.getPrototypeOf(error)
  return { objectPrototype, Error: error.constructor, arrayPrototype: Object.getPrototypeOf(v8.getHeapSpaceStatistics()) }
}

/** The least length of the list of all objects. Node may create smaller arrays during the query. */
const LEAST_OBJECTS = 500

/**
 * Takes the list of all objects from v8.queryObjects, which itself returns only texts. It calls `map` of the list, and `map` reads the list's
 * `constructor`, which is replaced here. In a child only, because this makes `map` and similar functions slower permanently. It reads no property
 * of a found object.
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
  return { count: realmCount(), readCount: 1, unreadCount: 0, method: 'query-objects' }
}

module.exports = { visitObjects }
