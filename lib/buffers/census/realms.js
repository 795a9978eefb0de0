'use strict'

// Every object of this isolate, realm by realm. Garbage is collected first, so what is found is alive.
//
// The way there is the inspector's Runtime.queryObjects, in a session of our own beside any debugger's. It looks in one
// realm at a time (the main one, each vm context) for objects that inherit from a given one; here that is
// Object.prototype, which is above everything, at the price of one collection and of a list of all objects.
//
// Where the inspector is refused (--permission without --allow-inspector), v8.queryObjects looks in the main realm, and in
// a child of the probe it can be made to hand over what it found.

const { EventEmitter } = require('node:events')
const v8 = require('node:v8')
const { OffheapError } = require('../../base/errors.js')

const TAKER = 'offheapTakesOver'
const MARK = Symbol.for('offheap.realm')

/** Each query is a look of the budget's. Another realm takes two at most; see visitRealm(). */
const LOOKS_PER_REALM = 2
/** Before others are looked for: the query that finds nothing, and that of the main realm. After those it is known how long one takes. */
const LOOKS_BEFORE_OTHERS = 2

/** What streams, Buffers and their like inherit from, right below Object.prototype. */
const BASES = [
  Object.getPrototypeOf(Int8Array.prototype), DataView.prototype, ArrayBuffer.prototype, SharedArrayBuffer.prototype,
  EventEmitter.prototype, ...(typeof WebAssembly === 'object' ? [WebAssembly.Memory.prototype] : [])
]

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
 * @param {object} where
 * @param {boolean} where.inChild whether this process is a child of the probe, whose builtins may be spoilt
 * @param {boolean} where.patient whether it is worth coming again where realms are just ending
 * @param {import('./budget.js').Budget} where.budget the main realm is read in any case, the others while it lasts
 * @param {number} where.looksAfter what is to be left of it, in looks
 * @param {(objects: object[], realm: { Memory?: Function }) => void} visit
 * @returns {{ count: number, readCount: number, unreadCount: number, method: 'inspector' | 'query-objects' } | undefined}
 *   realms; for the unread ones there was no time. Nothing when it is better to try again in a later turn
 */
function visitObjects (where, visit) {
  const session = connectedSession()
  if (session !== undefined) {
    try {
      return visitWithInspector(session, where, visit)
    } finally {
      // Releases all that the session refers to.
      session.disconnect()
    }
  }
  if (where.inChild && typeof v8.queryObjects === 'function') return visitWithQueryObjects(visit)
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

function visitWithInspector (session, where, visit) {
  const { patient, budget } = where
  const main = mainRealm()
  const contexts = realmCount() === 1 ? [] : announced(session)
  if (patient && contexts.length > realmCount()) return undefined
  // Contexts by their marks, weakly. Objects are asked for nothing: Node 26 crashed in one of jest's realms when a Storage object was
  // asked for a property (node::webstorage::Storage::Load).
  const marks = new WeakMap()
  const hasTime = budget.affords(LOOKS_BEFORE_OTHERS)
  const marked = hasTime ? markOthers(session, main, contexts, marks) : []
  // What was just evaluated in a realm is in V8's compilation cache, and on Node 20 and 22 that holds the realm for up to
  // three collections; a query makes two or more.
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
  // What comes after has its time first, unless there is too little for it as it is.
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

/** A query that finds nothing. */
function collect (session) {
  const { objectId } = evaluate(session, undefined, '({})')
  post(session, 'Runtime.queryObjects', { prototypeObjectId: objectId })
}

/** How many realms V8 has not collected. */
function realmCount () {
  return v8.getHeapStatistics().number_of_native_contexts
}

/**
 * Leaves a mark in each realm but the main one, and says which those were. The mark is an object of the main realm that
 * the other one holds: if it is still there after the next collection, so is its realm. Nothing here keeps a realm alive.
 *
 * The inspector crashes when it is sent to a realm that has been collected and not yet been taken off its list, which
 * Node does a turn later (seen on Node 22, 24 and 26). While it lists no more realms than V8 has, there is none of those.
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
      // A realm that lacks what it takes: its Error deleted, or frozen with a prepareStackTrace of its own.
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
  // So that who finds the mark holds the realm.
  object.realm = Error
  Object.defineProperty(Error, MARK, { value: object, configurable: true })
}

/** The realms that the inspector knows of; it announces each when it is asked to. */
function announced (session) {
  const contexts = []
  const onContext = ({ params }) => contexts.push(params.context)
  session.on('Runtime.executionContextCreated', onContext)
  post(session, 'Runtime.enable')
  session.off('Runtime.executionContextCreated', onContext)
  post(session, 'Runtime.disable')
  return contexts
}

/** Looks into one realm: a query for each root, and a query is a collection and a pass over the objects of all realms. */
function visitRealm (session, main, contextId, { inChild, budget }, visit) {
  const { objectId } = evaluate(session, contextId, '({ Memory: typeof WebAssembly === "object" ? WebAssembly.Memory : undefined })')
  const realm = take(session, main, objectId)
  realm.roots = [Object.getPrototypeOf(realm)]
  // What a class of this realm makes belongs to it, also when the class extends one of the main realm, as in jest.
  const isMain = realm.roots[0] === main.objectPrototype
  const isHung = !isMain && inChild && hangBelow(realm.roots[0], main)
  if (!isMain && !isHung) realm.roots.push(main.objectPrototype)
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
    if (isHung) hangBelow(main.objectPrototype, main)
  }
}

/**
 * Hangs the classes of the main realm that a census is about below another realm's Object.prototype, so that one query of
 * that realm finds what extends them too. In a child only, whose prototypes are nobody else's.
 * @returns {boolean} false where they are not to be had, or frozen
 */
function hangBelow (root, main) {
  // In jest this file is in a realm of its own.
  if (Object.prototype !== main.objectPrototype) return false
  const done = BASES.every((base) => Reflect.setPrototypeOf(base, root))
  if (!done) for (const base of BASES) Reflect.setPrototypeOf(base, main.objectPrototype)
  return done
}

function evaluate (session, contextId, expression) {
  return value(post(session, 'Runtime.evaluate', { contextId, expression, silent: true }))
}

/** The object itself that the inspector knows by this id. */
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

/** With --frozen-intrinsics no Error takes a prepareStackTrace. Then the main realm alone can be seen, by its global object. */
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
  return { count: realmCount(), readCount: 1, unreadCount: 0, method: 'query-objects' }
}

module.exports = { visitObjects }
