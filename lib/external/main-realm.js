// offheap: evaluated once per thread, in the main realm, when the addon is loaded (see src/external/main_realm.rs). The addon calls the
// function with the capacity of the pending batch, and with the ticket that stands for "the engine identifies it", or 0 where the engine is not a
// known one. What it returns is what all copies of lib/external/ on that thread have together. Its `byEngine` decides, for the addon as well.
(() => function create (capacity, byEngine) {
  'use strict'

  // A constructor that returns another object installs its private fields on that one.
  class Host {
    constructor (object) {
      return object
    }
  }

  class Ticket extends Host {
    #number

    static get (object) {
      return #number in object ? object.#number : undefined
    }

    static set (object, number) {
      if (!(#number in object)) new Ticket(object) // eslint-disable-line no-new -- installs the field
      object.#number = number
    }
  }

  // Other runtimes have Node's version number too, and functions of V8's names. Their engines are other ones, or are built in another way.
  const { bun, deno, electron } = globalThis.process?.versions ?? {}
  const isNode = bun === undefined && deno === undefined && electron === undefined

  // Taken now: mocked timers stand still.
  const { setImmediate } = globalThis

  const threadState = {
    // The pending batch: values, and beside them what each stands for.
    values: new Array(capacity).fill(undefined),
    bytes: new Float64Array(capacity + 1), // and, at the end, how many there are
    keys: new Uint32Array(capacity),
    tickets: new Float64Array(capacity),
    heldBytes: 0,
    scheduled: false,

    // What identifies values that have no address of their own: the engine, or else a ticket.
    byEngine: isNode ? byEngine : 0,
    engineWasAsked: false,
    nextTicket: 1,
    viewTickets: new WeakMap(),
    viewsByIdentity: false,
    objectsWithoutField: false,
    objectTicket: Ticket.get,
    setObjectTicket: Ticket.set,

    // Route contexts that are settled, by route: a request that is over, or another piece of work.
    requestCounts: new Map(),

    // The addon calls this when a sweep is to go on in the next turn of the event loop, and adds `sweepSome`, which does it. It keeps no
    // process alive.
    sweepLater () {
      setImmediate(threadState.sweepSome).unref()
    }
  }
  return threadState
})()
